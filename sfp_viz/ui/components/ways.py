"""The legend over the bars: each way of sharing out, its mark, what it keeps of a group, and a
button. JavaScript and CSS stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from sfp_viz.ui.components.load import load

SHAPES = {  # of the marks, in the legend and on the bars
    name: f'<svg viewBox="0 0 10 10">{shape}</svg>'
    for name, shape in (
        ("uniform", '<circle cx="5" cy="5" r="3.6" class="hollow"/>'),
        ("dispersion", '<path d="M5 0.2L9.8 5L5 9.8L0.2 5Z"/>'),
        ("functional", '<path d="M1.2 1.2H8.8V8.8H1.2Z"/>'),
        ("sensitivity", '<path d="M5 0.7L9.7 9.2H0.3Z"/>'),
    )
}
_ways = load("ways")


@dataclass(frozen=True)
class StrategyMark:
    """A way of sharing out: ``name`` picks its mark, ``label`` its words.

    The one in use is ``used``; one that is not ``known`` is drawn fainter and has no marks.
    ``kept``: units of the group on the screen, or None. ``note`` says what is missing, ``why``
    more of it under the pointer. ``offer`` is the label of its button, '' for none.
    """

    name: str
    label: str
    used: bool = False
    known: bool = True
    kept: int | None = None
    note: str = ""
    why: str = ""
    offer: str = ""


def ways(
    found: Sequence[StrategyMark],
    *,
    key: str,
    group: str,
    filters: int,
    hidden: Sequence[str],
    marks: bool,
    on_show: Callable[[str, bool], None],
    on_offer: Callable[[str], None],
) -> None:
    """Draw them; ``on_offer(name)`` is called once when a button was pressed, ``on_show(name,
    shown)`` when its marks were hidden or shown again, which only ``marks`` allows.

    ``group`` of ``filters`` is the one whose numbers are shown; while the pointer or the focus is
    on a bar, those of its group. What the browser sends is checked: a name that is not known, or
    has no such button, is left alone, and a gesture reported twice counts once.
    """
    free = {way.name: way for way in found if not way.used}

    def gesture(name: str) -> dict:
        asked = dict(st.session_state[key].get(name) or {})
        seen = f"{key}_{name}_seen"
        if not asked or st.session_state.get(seen) == asked or asked.get("name") not in free:
            return {}
        st.session_state[seen] = asked
        return asked

    def toggled() -> None:
        asked = gesture("show")
        shown = asked.get("shown")
        if isinstance(shown, bool) and marks and free[asked["name"]].known:
            on_show(asked["name"], shown)

    def pressed() -> None:
        asked = gesture("offer")
        if asked and free[asked["name"]].offer:
            on_offer(asked["name"])

    _ways(
        key=key,
        data={
            "ways": [asdict(way) for way in found],
            "group": group,
            "filters": filters,
            "hidden": list(hidden),
            "marks": marks,
            "shapes": SHAPES,
        },
        on_show_change=toggled,
        on_offer_change=pressed,
    )
