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
    """One group: it keeps ``kept`` of its ``filters``; ``suggested`` is the dotted mark.

    A filter stands for ``repeats`` channels, so the width shown is ``filters * repeats``.
    ``fixed`` bars cannot be moved; ``held`` ones were set by hand; ``least`` and ``most`` are
    bounds (0 for none); ``unrounded`` the width before rounding, or None. ``tags`` is a short word
    beside the name, ``why`` and ``note`` are shown under the pointer, on the name and on the bar.
    ``ghosts`` are (layer, reason) of tied layers. ``curve`` is (kept, lost), by rising kept,
    drawn below. ``others``: (name, words, kept) of other allocation strategies, each with its mark.
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
    """Draw the bars; ``on_edit(group, kept)`` is called once when a bar has been let go.

    ``revision`` must rise whenever the record changed, so that the bars take it up. ``step`` is
    the number of filters a bar moves at once, ``unit`` that of the curves; ``hidden`` names the
    others whose marks are not drawn. ``on_pick(group)`` is called when a name is clicked. What the
    browser sends is checked here: unknown or fixed groups are left alone, and a gesture that is
    reported twice counts once.
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
