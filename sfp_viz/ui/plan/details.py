"""The selected group: its width, minimum and maximum, and its pruned filters."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.text.numbers import count, percent
from sfp_viz.text.plan.reasons import reason_text
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.group import group_view
from sfp_viz.ui.plan import bars
from sfp_viz.ui.plan.widths import Widths
from sfp_viz.ui.recipe import actions, request_edits, training_reasons
from sfp_viz.ui.session import state


def details(network: Network, widths: Widths) -> None:
    """Draw the panel of the selected group: its width, locks, minimum and maximum.

    Args:
        network: The network.
        widths: The widths that are drawn.
    """
    group = planned.group_of(state.session())
    if group is None:
        return
    request = actions.current_request()
    kept = widths.kept.get(group.name, group.size)
    st.subheader(problems.plain(group.name))
    st.markdown(_numbers(network, group, kept, widths.suggested.get(group.name, group.size)))
    if why := bars.restriction(network, group, request):
        st.caption(problems.plain(why))
    if group.protected:
        return
    if not request_edits.is_fixed(group, request.edits) and group.size > 1:
        _slider(network, group, kept)
    _locks(network, group, kept)
    if note := _rounding(network, group, widths):
        st.caption(note)


def _numbers(network: Network, group: FilterGroup, kept: int, suggested: int) -> str:
    saved = cost_of_widths(network, {}).macs - cost_of_widths(network, {group.name: kept}).macs
    text = f"Keeps **{kept:,}** of {group.size:,} filters"
    if group.repeats > 1:
        text += f", {kept * group.repeats:,} of {group.width:,} channels"
    text += f"; suggested: {suggested}."
    if saved:
        text += f" Pruning it alone saves {count(saved)} MACs (computed)."
    return text


def _slider(network: Network, group: FilterGroup, kept: int) -> None:
    key = f"keeps_{group.name}_{state.revision()}"

    def on_change() -> None:
        units = int(st.session_state.get(key, kept))
        if units != kept:  # an interrupted run reports what it showed as new
            actions.set_width(network, group.name, units)

    st.slider("Filters to keep", 1, group.size, kept, key=key, on_change=on_change)


def _locks(network: Network, group: FilterGroup, kept: int) -> None:
    edits = actions.current_request().edits
    protected, held = group.name in edits.protected, request_edits.is_held(group.name, edits)
    least, most = (
        request_edits.least_of(group.name, edits),
        request_edits.most_of(group.name, edits),
    )
    suffix = f"{group.name}_{state.revision()}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.toggle(
            "Fix this width", value=held, key=f"held_{suffix}", disabled=protected,
            help="On: the group keeps its current width, whatever the target.",
            on_change=_held, args=(network, group.name, kept, held, f"held_{suffix}"),
        )  # fmt: skip
        st.toggle(
            "Do not prune", value=protected, key=f"lock_{suffix}",
            on_change=_whole, args=(network, group.name, protected, f"lock_{suffix}"),
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.number_input(
            "Keep at least", 1, group.size, least or None, key=f"least_{suffix}", width=170,
            placeholder="no minimum", help="The suggestion keeps at least this many filters.",
            disabled=protected,
            on_change=_least, args=(network, group.name, least, f"least_{suffix}"),
        )  # fmt: skip
        st.number_input(
            "Keep at most", 1, group.size, most or None, key=f"most_{suffix}", width=170,
            placeholder="no maximum", help="The suggestion keeps at most this many filters.",
            disabled=protected,
            on_change=_most, args=(network, group.name, most, f"most_{suffix}"),
        )  # fmt: skip
        if held or protected or least or most:
            st.button(
                "Reset to suggestion", key="plan_back",
                help="Undoes the manual width, minimum and maximum of this group.",
                on_click=actions.reset_group, args=(group.name,),
            )  # fmt: skip


def _held(network: Network, group: str, kept: int, shown: bool, key: str) -> None:
    fixed = bool(st.session_state.get(key, shown))
    if fixed == shown:  # an interrupted run reports what it showed as new
        return
    if fixed:
        actions.set_width(network, group, kept)
    else:
        actions.apply_request(request_edits.without_widths(actions.current_request(), group))


def _whole(network: Network, group: str, shown: bool, key: str) -> None:
    if bool(st.session_state.get(key, shown)) != shown:
        actions.set_protected(network, group, not shown)


def _least(network: Network, group: str, shown: int, key: str) -> None:
    units = st.session_state.get(key, shown or None)
    if (units or 0) != shown:
        actions.set_minimum(network, group, units)


def _most(network: Network, group: str, shown: int, key: str) -> None:
    units = st.session_state.get(key, shown or None)
    if (units or 0) != shown:
        actions.set_maximum(network, group, units)


def _rounding(network: Network, group: FilterGroup, widths: Widths) -> str:
    kept = widths.kept.get(group.name, group.size)
    unrounded = widths.unrounded.get(group.name, kept)
    return problems.plain(bars.rounding_note(network, group, kept, unrounded))


def rounding_cost(network: Network, widths: Widths) -> str:
    """What rounding costs the whole plan, in a sentence; '' if it changes nothing.

    Args:
        network: The network.
        widths: The widths that are drawn.
    """
    if not widths.unrounded or widths.unrounded == widths.kept:
        return ""
    unpruned = cost_of_widths(network, {}).macs
    difference = (
        cost_of_widths(network, widths.kept).macs - cost_of_widths(network, widths.unrounded).macs
    )
    return (
        f"Rounding costs {percent(abs(difference) / max(unpruned, 1), 2)} "
        f"{'more' if difference > 0 else 'fewer'} MACs (computed)."
    )


def filters(network: Network) -> None:
    """The pruned filters of the group on the screen, each with its reason.

    The table is computed when it is opened: in large networks, choosing filters takes a moment.
    """
    session = state.session()
    group = planned.group_of(session)
    if group is None or group.protected:
        return
    was_trained = bool(training_reasons.reasons_of(network.digest))
    panel = st.expander(
        "Pruned filters and why", expanded=was_trained, on_change="rerun", key="plan_filters"
    )
    if not panel.open:
        return
    with panel:
        removal = group_view.group_view(session, group, group.layers[0]).removal
        if not removal.filters:
            st.caption("All filters of this group are kept.")
            return
        rows = {"filter": removal.filters, "why": [reason_text(r) for r in removal.reasons]}
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, row_height=28,
            height=min(38 + 28 * len(removal.filters), 320), placeholder="",
            column_config={"filter": st.column_config.NumberColumn("Filter", width=60),
                           "why": st.column_config.TextColumn("Why it is pruned", width="large")},
        )  # fmt: skip
