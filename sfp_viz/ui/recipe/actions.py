"""What a click on the plan changes in the session: widths, minimums, maximums, protection."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.request import Request
from sfp_viz.ui.cached import evidence, loaders
from sfp_viz.ui.recipe import request_edits
from sfp_viz.ui.session import state

HOLD = "plan_hold"  # session_state: whether the target is held, before there is a manual width


def current_request() -> Request:
    """The recipe and edits of the session."""
    session = state.session()
    return Request(session.recipe, loaders.edits_of(session))


def apply_request(request: Request) -> None:
    """Put a changed recipe and edits into the session: one step of undo."""
    state.change(recipe=request.recipe, edits=request.edits)


def keeps_target() -> bool:
    """Whether the other groups adjust to a manual width."""
    edits = current_request().edits
    return edits.makeup if edits.ratios else bool(st.session_state.get(HOLD))


def set_width(network: Network, group: str, to: int) -> None:
    """Set the width of a group manually, and select the group.

    Args:
        network: The network.
        group: Name of the group.
        to: Units to keep.
    """
    state.change(group=group)
    hold = keeps_target()
    apply_request(
        request_edits.with_width(network, current_request(), group=group, to=to, hold=hold)
    )


def set_protected(network: Network, group: str, locked: bool) -> None:
    """Protect a group from pruning, or lift the protection.

    Args:
        network: The network.
        group: Name of the group.
        locked: Whether it is protected.
    """
    available = evidence.evidence(state.session().model)
    request = current_request()
    apply_request(
        request_edits.with_lock(network, request, group=group, locked=locked, evidence=available)
    )


def set_minimum(network: Network, group: str, units: int | None) -> None:
    """Set the minimum of a group.

    Args:
        network: The network.
        group: Name of the group.
        units: Units to keep at least, None for no minimum.
    """
    apply_request(request_edits.with_minimum(network, current_request(), group=group, units=units))


def set_maximum(network: Network, group: str, units: int | None) -> None:
    """Set the maximum of a group.

    Args:
        network: The network.
        group: Name of the group.
        units: Units to keep at most, None for no maximum.
    """
    apply_request(request_edits.with_maximum(network, current_request(), group=group, units=units))


def reset_group(group: str) -> None:
    """Undo the manual width, minimum, maximum and protection of a group."""
    request = request_edits.without_widths(current_request(), group)
    edits = request.edits.with_protected(group, False).with_least(group, None)
    edits = edits.with_most(group, None)
    apply_request(replace(request, edits=edits))
