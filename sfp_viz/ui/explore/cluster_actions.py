"""Buttons that change clusters and the fate of filters; each press is one undo step.

They live in the fragment of the linked panels, but what they change stands outside of it too, so a
change asks for one run of the whole page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import SfpError
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import CHOICE_NAMES
from sfp_viz.ui import problems
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.explore import group_edits
from sfp_viz.ui.group.group_view import WHOLE_MOST, GroupView, usable
from sfp_viz.ui.session import state

_CHANGED = "edits changed in the fragment"
_PROBLEM = "problem of an act"


def settle() -> None:
    """At the head of the fragment: draw the whole page anew after a change, show a problem."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun()
    if problem := st.session_state.pop(_PROBLEM, None):
        problems.say(problem)


def cluster_menu(view: GroupView) -> None:
    """The number of clusters, and the way back to the recipe's."""
    count, name = len(view.clusters), view.group.name
    live = sum(label >= 0 for label in view.labels)
    with st.popover(f"{count} clusters", icon=":material/bubble_chart:"):
        key = f"k {name} {count} {state.revision()}"
        st.number_input(
            "Number of clusters", 1, max(1, live), min(max(count, 1), max(1, live)), key=key,
            on_change=_count, args=(key, name, count),
        )  # fmt: skip
        st.caption("Changed by hand." if view.by_hand else suggested(view, state.session().recipe))
        st.button(
            "Back to the suggested clusters", disabled=not view.by_hand, key="reset clusters",
            on_click=_do, args=(lambda edits: edits.with_clusters(name, None),),
        )  # fmt: skip
        _ranked(place="menu")


def suggested(view: GroupView, recipe: Recipe) -> str:
    """Where the suggested number of clusters comes from, in a sentence."""
    method = CHOICE_NAMES["clustering"][recipe.clustering]
    if recipe.clustering == "hdbscan":
        return f"Suggested: as many as are found. {method}."
    counted = f"the {view.suggested:,} filters suggested to stay"
    if view.kept == view.group.size and view.suggested > WHOLE_MOST:
        counted = f"{WHOLE_MOST} filters, as all {view.kept:,} stay"
    rule = {
        "share": f"{percent(recipe.kappa, 0)} of {counted}",
        "one_each": f"one for each of {counted}",
        "threshold": "as many as leave the filters of each alike by 0.5 or more",
        "silhouette": "the number that separates them best",
    }
    return f"Suggested: {rule[recipe.cluster_rule]}. Found by: {method}."


def _ranked(*, place: str) -> None:
    """Where the recipe ranks the whole group: that clusters decide nothing, and what to do."""
    if state.session().recipe.selection == "clusters":
        return
    st.caption(
        "This recipe ranks the whole group, so clusters show what is alike but do not decide "
        "which filters go."
    )
    st.button(
        "Choose filters in clusters", key=f"in clusters {place}", on_click=_in_clusters,
        icon=":material/bubble_chart:",
        help="Changes the recipe: some filters of every cluster stay while there is room. One "
        "step, which Undo takes back.",
    )  # fmt: skip


def _in_clusters() -> None:
    recipe = state.session().recipe
    state.change(recipe=replace(recipe, selection="clusters"))
    st.session_state[_CHANGED] = True


def fate_menu(view: GroupView, chosen: Sequence[int]) -> None:
    """What can be done with the chosen filters."""
    name, labels, units = view.group.name, view.labels, tuple(chosen)
    touched = {labels[unit] for unit in units} - {-1}
    edits = loaders.edits_of(state.session())
    fixed = {unit for where, unit in (*edits.keep, *edits.remove) if where == name}
    with st.container(horizontal=True, gap="small", key="fate menu"):
        _button("Merge", lambda e: group_edits.merged(e, name, labels, units),
                off=len(touched) < 2, help="Make their clusters one")  # fmt: skip
        _button("Split off", lambda e: group_edits.split_off(e, name, labels, units),
                off=not touched, help="Make them a cluster of their own")  # fmt: skip
        with st.popover("Move to", disabled=not touched):
            key = f"move {name} {state.revision()}"
            target = st.selectbox("Cluster", view.clusters, key=key)
            _button("Move them", lambda e: group_edits.moved(e, name, labels, units, int(target)))
        whole = view.group.protected
        _button("Keep", lambda e: group_edits.fated(e, name, units, "keep"),
                off=whole, help="They stay, whatever the recipe says")  # fmt: skip
        _button("Remove", lambda e: group_edits.fated(e, name, units, "remove"),
                off=whole, help="They go, whatever the recipe says")  # fmt: skip
        if fixed & set(units):
            _button("Release", lambda e: group_edits.fated(e, name, units, None),
                    help="Leave them to the recipe again")  # fmt: skip
    if not whole:
        _ranked(place="acts")


def _button(
    label: str, act: Callable[[Edits], Edits], *, off: bool = False, help: str | None = None
) -> None:
    st.button(label, on_click=_do, args=(act,), disabled=off, help=help, key=f"act {label}")


def _count(key: str, group: str, shown: int) -> None:
    session, wanted = state.session(), int(st.session_state.get(key, shown))
    if wanted == shown:
        return  # nothing new: Streamlit calls again when a run was interrupted
    network, seen = loaders.network(session.model), evidence.evidence(session.model)
    recipe = usable(session)
    _do(
        lambda edits: group_edits.counted(
            Problem(network, Request(recipe, edits), seen), group, wanted
        )
    )


def _do(act: Callable[[Edits], Edits]) -> None:
    """One step, unless no plan could be made with it: then say why, and change nothing."""
    session = state.session()
    before = loaders.edits_of(session)
    try:
        after = act(before)
        if after.remove != before.remove:
            planned.suggestion(session.model, Request(session.recipe, after))
    except SfpError as problem:
        st.session_state[_PROBLEM] = problem
        return
    state.change(edits=after)
    st.session_state[_CHANGED] = True
