"""Bars that are dragged: how many filters each group keeps. JavaScript and CSS stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

_HERE = Path(__file__)
_bars = component(
    "ratio_bars",
    html=_HERE.with_suffix(".html").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Bar:
    """One group: it keeps ``kept`` of its ``filters``; ``suggested`` is the dotted mark.

    ``fixed`` bars cannot be moved; ``why`` says why, and is shown under the pointer. ``tied`` is a
    short note on layers that move along.
    """

    name: str
    label: str
    filters: int
    kept: int
    suggested: int
    fixed: bool = False
    tied: str = ""
    why: str = ""


def ratio_bars(
    bars: Sequence[Bar],
    *,
    key: str,
    revision: int,
    step: int = 1,
    chosen: str = "",
    on_edit: Callable[[str, int], None],
    on_pick: Callable[[str], None],
) -> None:
    """Draw the bars; ``on_edit(group, kept)`` is called once when a bar has been let go.

    ``revision`` must rise whenever the record changed, so that the bars take it up. ``step`` is
    the number of filters a bar moves at once. ``on_pick(group)`` is called when a name is clicked.
    What the browser sends is checked here: unknown or fixed groups are left alone.
    """
    free = {bar.name: bar for bar in bars if not bar.fixed}

    def edited() -> None:
        asked = _asked(key, "edit")
        bar = free.get(str(asked.get("group")))
        kept = asked.get("kept")
        if bar is not None and isinstance(kept, int | float) and 1 <= kept <= bar.filters:
            on_edit(bar.name, int(kept))

    def picked() -> None:
        asked = _asked(key, "pick").get("group")
        if any(bar.name == asked for bar in bars):
            on_pick(str(asked))

    _bars(
        key=key,
        data={
            "rows": [asdict(bar) for bar in bars],
            "step": step,
            "chosen": chosen,
            "rev": revision,
        },
        on_edit_change=edited,
        on_pick_change=picked,
    )


def _asked(key: str, name: str) -> dict[str, Any]:
    asked = st.session_state[key].get(name)
    return dict(asked) if asked else {}
