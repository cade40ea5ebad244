"""The tree of steps as rows beside a rail of dots. JavaScript and CSS stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from sfp_viz.ui.components.load import load

_tree = load("step_tree")


@dataclass(frozen=True)
class Row:
    """One step, drawn in column ``lane`` and joined to its ``parent``; ``current`` marks the step
    on the screen."""

    id: int
    parent: int
    lane: int
    words: str
    name: str
    cost: str
    time: str
    current: bool


def step_tree(rows: Sequence[Row], *, key: str, on_go: Callable[[int], None]) -> None:
    """Draw the steps as rows beside a rail.

    Args:
        rows: The steps, the oldest first.
        key: Key of the component.
        on_go: Called with the id of a step that was clicked, except the current one.
    """

    def go() -> None:
        at = (st.session_state.get(key) or {}).get("go")
        if isinstance(at, int) and any(row.id == at and not row.current for row in rows):
            on_go(at)

    _tree(key=key, data={"rows": [asdict(row) for row in rows]}, on_go_change=go)
