"""What a click on the plan changes in the session: ratios, holds, locks, limits."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.request import Request
from sfp_viz.ui.cached import evidence, loaders
from sfp_viz.ui.recipe import edits as by_hand
from sfp_viz.ui.session import state

HOLD = "plan_hold"  # session_state: whether the target is held, before there is a width by hand


def asked() -> Request:
    """The recipe and edits of the session."""
    now = state.session()
    return Request(now.recipe, loaders.edits_of(now))


def take(after: Request) -> None:
    """Put a changed recipe and edits into the session: one step of undo."""
    state.change(recipe=after.recipe, edits=after.edits)


def holds() -> bool:
    """Whether the other groups make up for a width by hand."""
    edits = asked().edits
    return edits.makeup if edits.ratios else bool(st.session_state.get(HOLD))


def keep(network: Network, group: str, to: int) -> None:
    """A bar was let go, or a number typed."""
    state.change(group=group)
    take(by_hand.drag(network, asked(), group=group, to=to, hold=holds()))


def lock(network: Network, group: str, locked: bool) -> None:
    """Leave a group whole, or free it again."""
    found = evidence.evidence(state.session().model)
    take(by_hand.lock(network, asked(), group=group, locked=locked, evidence=found))


def keep_least(network: Network, group: str, units: int | None) -> None:
    """Set or lift the minimum of a group."""
    take(by_hand.at_least(network, asked(), group=group, units=units))


def keep_most(network: Network, group: str, units: int | None) -> None:
    """Set or lift the maximum of a group."""
    take(by_hand.at_most(network, asked(), group=group, units=units))


def give_back(group: str) -> None:
    """Everything by hand on the width of a group is taken back."""
    now = by_hand.suggested(asked(), group)
    edits = now.edits.with_protected(group, False).with_least(group, None)
    edits = edits.with_most(group, None)
    take(replace(now, edits=edits))
