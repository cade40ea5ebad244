"""The legend over the bars: each allocation strategy with its mark, the filters that it keeps of a
group, and a button. Its JavaScript and CSS are beside this file."""

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
_legend = load("allocation_legend")


@dataclass(frozen=True)
class LegendEntry:
    """An allocation strategy in the legend.

    Attributes:
        name: Selects its mark.
        label: Its text.
        used: Whether it is in use.
        known: Whether its widths are known; else it is drawn fainter, without marks.
        kept: Units that it keeps of the group on the screen, or None.
        note: What is missing, in a few words.
        why: An explanation, shown as a tooltip.
        offer: Label of its button, '' for none.
    """

    name: str
    label: str
    used: bool = False
    known: bool = True
    kept: int | None = None
    note: str = ""
    why: str = ""
    offer: str = ""


def allocation_legend(
    entries: Sequence[LegendEntry],
    *,
    key: str,
    group: str,
    filters: int,
    hidden: Sequence[str],
    marks: bool,
    on_show: Callable[[str, bool], None],
    on_offer: Callable[[str], None],
) -> None:
    """Draw the legend. Messages of the browser are checked: an unknown name, or one without such a
    button, is ignored, and a gesture that is reported twice counts once.

    Args:
        entries: The strategies, in order.
        key: Key of the component.
        group: The group whose numbers are shown. While the pointer or the focus is on a bar, the
            legend shows the numbers of that bar's group.
        filters: Number of filters of ``group``.
        hidden: Names of the strategies whose marks are not drawn.
        marks: Whether marks can be hidden and shown.
        on_show: Called with (name, shown) when marks were hidden or shown.
        on_offer: Called with the name when its button was pressed.
    """
    free = {entry.name: entry for entry in entries if not entry.used}

    def gesture(name: str) -> dict:
        message = dict(st.session_state[key].get(name) or {})
        seen = f"{key}_{name}_seen"
        if not message or st.session_state.get(seen) == message or message.get("name") not in free:
            return {}
        st.session_state[seen] = message
        return message

    def toggle() -> None:
        message = gesture("show")
        shown = message.get("shown")
        if isinstance(shown, bool) and marks and free[message["name"]].known:
            on_show(message["name"], shown)

    def press() -> None:
        message = gesture("offer")
        if message and free[message["name"]].offer:
            on_offer(message["name"])

    _legend(
        key=key,
        data={
            "entries": [asdict(entry) for entry in entries],
            "group": group,
            "filters": filters,
            "hidden": list(hidden),
            "marks": marks,
            "shapes": SHAPES,
        },
        on_show_change=toggle,
        on_offer_change=press,
    )
