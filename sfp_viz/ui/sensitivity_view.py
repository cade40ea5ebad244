"""The chosen group's sensitivity as a figure, with what the number of images leaves open."""

from __future__ import annotations

from sfp_viz.core.network import Network
from sfp_viz.ui.plan_view import Widths


def curve(network: Network, widths: Widths) -> None:
    """INTERIM"""
