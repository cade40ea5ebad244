"""Draggable bars: how many filters each group keeps; its JavaScript and CSS are beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from sfp_viz.ui.components.allocation_legend import SHAPES
from sfp_viz.ui.components.load import load

GHOSTS_OPEN = 12  # with more tied layers, only those of the chosen group are shown
TALL = 640  # pixels; a longer list scrolls, so that the details beside it remain visible
MOST_LOST = 30  # upper end of the curves' scale; small losses are what distinguishes groups
_bars = load("ratio_bars")


@dataclass(frozen=True)
class Bar:
    """One group.

    Attributes:
        name: Name of the group.
        label: Text beside the bar.
        filters: Its filters; the width shown is ``filters * repeats``.
        kept: Filters that the plan keeps.
        suggested: Filters that the suggestion keeps, a dot on the bar.
        repeats: Channels per filter.
        fixed: Whether the bar cannot be moved.
        held: Whether its width was set manually.
        least: Manual minimum, 0 for none.
        most: Manual maximum, 0 for none.
        unrounded: Width before rounding, if that differs.
        tags: A short text beside the name.
        why: Explanation shown on hover over the name.
        note: Explanation shown on hover over the bar.
        ghosts: (layer, reason) of tied layers.
        curve: (kept, lost) by rising kept, drawn below the bar.
        others: (name, label, kept) of the other allocation strategies, each with its mark.
    """

    name: str
    label: str
    filters: int
    kept: int
    suggested: int
    repeats: int = 1
    fixed: bool = False
    held: bool = False
    least: int = 0
    most: int = 0
    unrounded: int | None = None
    tags: str = ""
    why: str = ""
    note: str = ""
    ghosts: tuple[tuple[str, str], ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    others: tuple[tuple[str, str, int], ...] = ()


def ratio_bars(
    bars: Sequence[Bar],
    *,
    key: str,
    revision: int,
    step: int = 1,
    chosen: str = "",
    unit: str = "",
    hidden: Sequence[str] = (),
    on_edit: Callable[[str, int], None],
    on_pick: Callable[[str], None],
) -> None:
    """Draw the bars. Messages of the browser are checked: unknown or fixed groups are ignored, and
    a gesture that is reported twice counts once.

    Args:
        bars: The groups, in order.
        key: Key of the component.
        revision: Number of the session's record; the bars take over new values when it rises.
        step: Filters by which a bar moves.
        chosen: Name of the selected group.
        unit: Unit of the curves.
        hidden: Names of the strategies whose marks are not drawn.
        on_edit: Called with (group, kept) once a bar was released.
        on_pick: Called with the group whose name was clicked.
    """
    most = max((lost for bar in bars for _, lost in bar.curve), default=0)
    free = {bar.name: bar for bar in bars if not bar.fixed}

    def edit() -> None:
        message = _message(key, "edit")
        bar = free.get(str(message.get("group")))
        kept = message.get("kept")
        if bar is not None and isinstance(kept, int | float) and 1 <= kept <= bar.filters:
            on_edit(bar.name, int(kept))

    def pick() -> None:
        group = _message(key, "pick").get("group")
        if any(bar.name == group for bar in bars):
            on_pick(str(group))

    _bars(
        key=key,
        data={
            "rows": [asdict(bar) for bar in bars],
            "step": step,
            "chosen": chosen,
            "rev": revision,
            "unit": unit,
            "most": min(most or 1, MOST_LOST),
            "ghosts": sum(len(bar.ghosts) for bar in bars) <= GHOSTS_OPEN,
            "tall": TALL,
            "hidden": list(hidden),
            "shapes": SHAPES,
        },
        on_edit_change=edit,
        on_pick_change=pick,
    )


def _message(key: str, name: str) -> dict[str, Any]:
    """What the browser sent, once: {} if there is nothing new."""
    message = dict(st.session_state[key].get(name) or {})
    seen = f"{key}_{name}_seen"
    if not message or st.session_state.get(seen) == message:
        return {}
    st.session_state[seen] = message
    return message
