"""The plan on the screen: the bars, what a gesture on them does, and the same as a table."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.allocation.bounds import is_left_tied
from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.request import Request
from sfp_viz.text.groups import cause_sentence, tie_kind
from sfp_viz.text.numbers import percent
from sfp_viz.text.plan.allocations import ALLOCATIONS
from sfp_viz.ui.cached import planned
from sfp_viz.ui.components.ratio_bars import Bar, ratio_bars
from sfp_viz.ui.plan import allocations
from sfp_viz.ui.plan.widths import Others, Widths
from sfp_viz.ui.recipe import request_edits
from sfp_viz.ui.recipe.actions import HOLD, apply_request, current_request, keeps_target, set_width
from sfp_viz.ui.session import state, view_options

SIDES = "plan_sides"  # key of the container with the bars and, beside or below them, the details
_NARROW = (
    "<style>@media (max-width: 1000px) {.st-key-plan_sides [data-testid=stHorizontalBlock]:has("
    "> [data-testid=stColumn]) {flex-wrap: wrap} .st-key-plan_sides [data-testid=stColumn]"
    " {min-width: 100%}}</style>"
)


def narrow_style() -> None:
    """On a narrow page, place the details below the bars; Streamlit's columns wrap only later."""
    st.html(_NARROW)


def body(network: Network, widths: Widths) -> None:
    """Draw the bars or the table, with their buttons and the legend.

    Args:
        network: The network.
        widths: The widths that are drawn.
    """
    from sfp_viz.ui.plan.table import table

    with st.container(horizontal=True, horizontal_alignment="distribute"):
        view = view_options.option_control("plan")
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            if current_request().edits.ratios:
                st.button(
                    "Reset all widths",
                    help="Undoes all manual widths; minimums, maximums and clusters are kept.",
                    on_click=apply_request,
                    args=(request_edits.without_widths(current_request()),),
                    key="plan_accept",
                    type="tertiary",
                    icon=":material/done_all:",
                )
            _hold_toggle()
    alternatives = allocations.alternatives()
    others = allocations.other_widths(alternatives, current_request().recipe.allocation)
    allocations.legend(network, alternatives, widths.kept, marks=view != "Table")
    if view == "Table":
        table(network, widths, others)
        st.caption("You can edit 'Kept', 'At least', 'At most' and 'Do not prune'.")
    else:
        bars(network, widths, others)
        st.caption(_legend(network, widths))


def _hold_toggle() -> None:
    key, shown = f"hold_{state.revision()}", keeps_target()

    def on_change() -> None:
        holds = bool(st.session_state.get(key, shown))
        if holds == shown:  # an interrupted run reports what it showed as new
            return
        st.session_state[HOLD] = holds
        if current_request().edits.ratios:
            apply_request(request_edits.with_makeup(current_request(), holds))

    st.toggle(
        "Keep the target",
        value=shown,
        key=key,
        on_change=on_change,
        help="On: the other groups adjust to your changes so that the target is still met. Off: "
        "they keep their widths, and the plan saves more or less than its target.",
    )


def bars(network: Network, widths: Widths, alternatives: Others) -> None:
    """Draw the bars; a gesture changes the width or the selected group of the session.

    Args:
        network: The network.
        widths: The widths that are drawn.
        alternatives: Units kept by group under other allocations.
    """
    session, request = state.session(), current_request()
    group = planned.group_of(session)
    ratio_bars(
        [bar(network, g, request, widths, alternatives) for g in network.groups],
        key="ratio_bars",
        revision=state.revision(),
        step=request.recipe.rounding,
        chosen=group.name if group else "",
        unit="% lost" if widths.unit.startswith("%") else widths.unit,  # the column is narrow
        hidden=allocations.hidden_strategies(),
        on_edit=lambda name, to: set_width(network, name, to),
        on_pick=lambda name: state.change(group=name),
    )


def bar(
    network: Network, group: FilterGroup, request: Request, widths: Widths, alternatives: Others
) -> Bar:
    """One group as a bar.

    Args:
        network: The network.
        group: The group.
        request: Recipe and edits.
        widths: The widths that are drawn.
        alternatives: Units kept by group under other allocations.
    """
    kept = widths.kept.get(group.name, group.size)
    unrounded = widths.unrounded.get(group.name, kept)
    return Bar(
        name=group.name,
        label=group.name,
        filters=group.size,
        kept=kept,
        suggested=widths.suggested.get(group.name, group.size),
        repeats=group.repeats,
        fixed=request_edits.is_fixed(group, request.edits),
        held=request_edits.is_held(group.name, request.edits),
        least=request_edits.least_of(group.name, request.edits),
        most=request_edits.most_of(group.name, request.edits),
        unrounded=unrounded if unrounded != kept else None,
        tags=request_edits.tags(group.name, request.edits),
        why=restriction(network, group, request),
        note=rounding_note(network, group, kept, unrounded),
        ghosts=ghosts(group),
        curve=tuple(widths.curves.get(group.name, ())),
        others=tuple(
            (strategy, ALLOCATIONS[strategy], kept[group.name])
            for strategy, kept in alternatives.items()
        ),
    )


def ghosts(group: FilterGroup) -> tuple[tuple[str, str], ...]:
    """The layers that are pruned with a group's first one, each with the reason."""
    reason = f"{tie_kind(group) or 'pruned together'} with {group.name}"
    if group.protected:
        reason = f"not pruned, like {group.name}"
    follows = f"one channel per filter of {group.name}"
    return (
        *((layer, reason) for layer in group.layers[1:]),
        *((layer, follows) for layer in group.followers),
    )


def restriction(network: Network, group: FilterGroup, request: Request) -> str:
    """Why a group is not pruned, or what it is tied to; '' if nothing restricts it.

    Args:
        network: The network.
        group: The group.
        request: Recipe and edits.
    """
    if group.protected:
        return f"Not pruned: {cause_sentence(group)}"
    if group.name in request.edits.protected:
        return "Not pruned: you set 'Do not prune'."
    most = request_edits.most_of(group.name, request.edits)
    width_set = request_edits.is_held(group.name, request.edits) or most
    if is_left_tied(network, group, request.recipe) and not width_set:
        cause = cause_sentence(group)
        return f"{cause} The recipe does not prune such layers until you move the bar."
    return cause_sentence(group)


def rounding_note(network: Network, group: FilterGroup, kept: int, unrounded: int) -> str:
    """What rounding this group costs; '' if it changes nothing.

    Args:
        network: The network.
        group: The group.
        kept: Units kept after rounding.
        unrounded: Units kept without rounding.
    """
    if kept == unrounded:
        return ""
    unpruned = cost_of_widths(network, {}).macs
    difference = cost_of_widths(network, {group.name: kept}).macs
    difference -= cost_of_widths(network, {group.name: unrounded}).macs
    sign = "+" if difference > 0 else "−"
    return (
        f"Without rounding, it would keep {unrounded:,}. Keeping {kept:,} changes the MACs of the "
        f"network by {sign}{percent(abs(difference) / max(unpruned, 1), 2)} (computed for this "
        "group alone)."
    )


def _legend(network: Network, widths: Widths) -> str:
    text = "Bars: kept filters. Dotted line: the suggestion."
    if any(ghosts(group) for group in network.groups):
        text += " Dashed outlines: layers pruned with their group."
    if any(widths.kept.get(name) != units for name, units in widths.unrounded.items()):
        text += " Small triangles: the width before rounding."
    if current_request().edits.least or current_request().edits.most:
        text += " Brackets: your minimum and maximum."
    if widths.curves:
        text += f" Lines: the loss from pruning each group alone, in {widths.unit} (estimated)."
    return text
