"""How far the suggestion can be trusted."""

from __future__ import annotations

from sfp_viz.core.network import Network
from sfp_viz.ui.by_hand import Asked


def panel(network: Network, asked: Asked) -> None:
    """INTERIM"""
