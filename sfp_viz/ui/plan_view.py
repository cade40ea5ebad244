"""The plan on the screen: bars, their table twin, and why one group keeps what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import streamlit as st

from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.ui import by_hand, loaders, problems, state
from sfp_viz.ui.by_hand import Asked
from sfp_viz.ui.components.ratio_bars import Bar, ratio_bars

HOLD = "plan_hold"
VIEW = "plan_view"


def asked() -> Asked:
    """The recipe and edits of the session."""
    now = state.session()
    return Asked(now.recipe, loaders.edits_of(now))


def take(after: Asked) -> None:
    """Put a changed recipe and edits into the session: one step of undo."""
    state.change(recipe=after.recipe, edits=after.edits)


def body(network: Network, kept: Mapping[str, int], suggested: Mapping[str, int]) -> None:
    """The bars or the table, with what a drag does to the other groups."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        view = st.segmented_control(
            "View", ["Bars", "Table"], default="Bars", required=True, key=VIEW,
            label_visibility="collapsed",
        )  # fmt: skip
        st.toggle(
            "Hold the target",
            key=HOLD,
            help="On: the other groups make up for what you change, so that the target holds. "
            "Off: they stay, and the target follows.",
        )
    (table if view == "Table" else bars)(network, kept, suggested)
    st.caption(
        "'Keeps' and 'Left whole' can be changed here."
        if view == "Table"
        else "Filled: filters kept. Dots: what Kernel Dispersion suggests for the same MACs."
    )


def bars(network: Network, kept: Mapping[str, int], suggested: Mapping[str, int]) -> None:
    """The bars; a gesture changes the session."""
    now, wanted = state.session(), asked()
    group = loaders.group_of(now)
    ratio_bars(
        [bar(g, wanted, kept, suggested) for g in network.groups],
        key="ratio_bars",
        revision=state.revision(),
        step=wanted.recipe.rounding,
        chosen=group.name if group else "",
        on_edit=lambda name, to: keep(network, kept, name, to),
        on_pick=lambda name: state.change(group=name),
    )


def bar(
    group: FilterGroup, wanted: Asked, kept: Mapping[str, int], suggested: Mapping[str, int]
) -> Bar:
    """One group as a bar."""
    others = len(group.layers) + len(group.followers) - 1
    return Bar(
        name=group.name,
        label=group.name,
        filters=group.size,
        kept=kept.get(group.name, group.size),
        suggested=suggested.get(group.name, group.size),
        fixed=by_hand.is_fixed(group, wanted.edits),
        tied=f"+{others}" if others else "",
        why=whole_because(group, wanted),
    )


def whole_because(group: FilterGroup, wanted: Asked) -> str:
    """Why a group is left whole, or what moves with it; '' when there is nothing to say."""
    others = (*group.layers[1:], *group.followers)
    if group.protected:
        return f"Left whole: {group.why}"
    if group.name in wanted.edits.protected:
        return "Left whole: you locked it."
    if others:
        return f"Moves together with {', '.join(others)}."
    return ""


def keep(network: Network, kept: Mapping[str, int], group: str, to: int) -> None:
    """A bar was let go, or a number typed."""
    state.change(group=group)
    hold = bool(st.session_state.get(HOLD))
    take(by_hand.drag(network, asked(), kept, group=group, to=to, hold=hold))


def lock(network: Network, group: str, locked: bool) -> None:
    """Leave a group whole, or free it again."""
    take(by_hand.lock(network, asked(), group=group, locked=locked))


def table(network: Network, kept: Mapping[str, int], suggested: Mapping[str, int]) -> None:
    """The same as numbers: 'keeps' and 'locked' can be typed."""
    wanted = asked()
    spread = loaders.dispersions(state.session().model, wanted.recipe)
    rows = [_row(group, wanted, kept, suggested, spread) for group in network.groups]
    key = f"plan_table_{state.revision()}"
    groups = [group for group in network.groups if not group.protected]
    free = [row for group, row in zip(network.groups, rows, strict=True) if not group.protected]
    st.data_editor(
        pd.DataFrame(free),
        key=key,
        hide_index=True,
        num_rows="fixed",
        disabled=["group", "layers", "filters", "suggested", "removed", "dispersion"],
        column_config={
            "group": st.column_config.TextColumn("Group", pinned=True),
            "layers": st.column_config.NumberColumn("Layers"),
            "filters": st.column_config.NumberColumn("Filters"),
            "keeps": st.column_config.NumberColumn("Keeps", min_value=1, step=1),
            "suggested": st.column_config.NumberColumn("Suggested"),
            "removed": st.column_config.NumberColumn("Removed", format="percent"),
            "dispersion": st.column_config.NumberColumn("Kernel Dispersion", format="%.3f"),
            "locked": st.column_config.CheckboxColumn("Left whole"),
        },
        on_change=lambda: typed(network, kept, groups, key),
    )
    rest = [group for group in network.groups if group.protected]
    for group in rest:
        st.caption(problems.plain(f"{group.name}: {group.size} filters, left whole. {group.why}"))


def typed(network: Network, kept: Mapping[str, int], groups: list[FilterGroup], key: str) -> None:
    """A number or a tick was changed in the table."""
    for row, changes in st.session_state[key]["edited_rows"].items():
        group = groups[int(row)]
        if "locked" in changes:
            lock(network, group.name, bool(changes["locked"]))
        elif changes.get("keeps"):
            keep(network, kept, group.name, min(int(changes["keeps"]), group.size))


def details(network: Network, kept: Mapping[str, int], suggested: Mapping[str, int]) -> None:
    """The chosen group: its numbers, why it keeps so many, a lock, the way back."""
    from sfp_viz.core.ratios import why_ratio

    now, wanted = state.session(), asked()
    group = loaders.group_of(now)
    if group is None:
        return
    st.subheader(problems.plain(group.name))
    units, left = group.size, kept.get(group.name, group.size)
    st.markdown(
        f"Keeps **{left}** of {units} filters; suggested: {suggested.get(group.name, units)}"
    )
    if why := whole_because(group, wanted):
        st.caption(problems.plain(why))
    if group.protected:
        return
    spread = loaders.dispersions(now.model, wanted.recipe).get(group.name)
    given = group.name in {name for name, _ in wanted.edits.ratios}
    if given:
        st.caption("Its share is held by hand.")
    if spread is not None and not by_hand.is_fixed(group, wanted.edits):
        share = suggested.get(group.name, units)
        st.markdown("**Why this suggestion?**")
        st.write(problems.plain(why_ratio(network, group.name, spread, share, wanted.recipe)))
    key, whole = f"lock_{group.name}_{state.revision()}", group.name in wanted.edits.protected

    def turned() -> None:
        if st.session_state[key] != whole:  # an interrupted run reports what it showed as new
            lock(network, group.name, not whole)

    st.toggle("Leave it whole", value=whole, key=key, on_change=turned)
    if given:
        back = replace(wanted, edits=wanted.edits.with_ratio(group.name, None))
        st.button("Back to the suggestion", key="plan_back", on_click=take, args=(back,))


def _row(group: FilterGroup, wanted: Asked, kept, suggested, spread) -> dict:
    left = kept.get(group.name, group.size)
    return {
        "group": group.name,
        "layers": len(group.layers) + len(group.followers),
        "filters": group.size,
        "keeps": left,
        "suggested": suggested.get(group.name, group.size),
        "removed": 1 - left / group.size,
        "dispersion": spread.get(group.name),
        "locked": group.name in wanted.edits.protected,
    }
