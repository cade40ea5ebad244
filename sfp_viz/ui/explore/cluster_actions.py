"""Buttons that change clusters and keep or remove filters; each click is one undo step.

They belong to the fragment of the linked panels, but they change what is outside of it too, so a
change requests one run of the whole page.
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
from sfp_viz.ui.group.group_view import WHOLE_MOST, GroupView, usable_recipe
from sfp_viz.ui.session import state

_CHANGED = "edits changed in the fragment"
_PROBLEM = "problem of an act"


def settle() -> None:
    """At the start of the fragment: redraw the whole page after a change, show a problem."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun()
    if problem := st.session_state.pop(_PROBLEM, None):
        problems.show(problem)


def cluster_menu(view: GroupView) -> None:
    """The number of clusters, and a button that restores the recipe's."""
    count, name = len(view.clusters), view.group.name
    live = sum(label >= 0 for label in view.labels)
    with st.popover(f"{count} clusters", icon=":material/bubble_chart:"):
        key = f"k {name} {count} {state.revision()}"
        st.number_input(
            "Number of clusters", 1, max(1, live), min(max(count, 1), max(1, live)), key=key,
            on_change=_count, args=(key, name, count),
        )  # fmt: skip
        st.caption(
            "Changed manually."
            if view.by_hand
            else suggested_clusters(view, state.session().recipe)
        )
        st.button(
            "Reset to suggested clusters", disabled=not view.by_hand, key="reset clusters",
            on_click=_apply, args=(lambda edits: edits.with_clusters(name, None),),
        )  # fmt: skip
        _ranked(place="menu")


def suggested_clusters(view: GroupView, recipe: Recipe) -> str:
    """Where the suggested number of clusters comes from, in a sentence.

    Args:
        view: The view of the group.
        recipe: The recipe.
    """
    method = CHOICE_NAMES["clustering"][recipe.clustering]
    if recipe.clustering == "hdbscan":
        return f"Suggested: the number found by {method}."
    filters = f"the {view.suggested:,} filters that the suggestion keeps"
    if view.kept == view.group.size and view.suggested > WHOLE_MOST:
        filters = f"{WHOLE_MOST} filters, as all {view.kept:,} are kept"
    rule = {
        "share": f"{percent(recipe.kappa, 0)} of {filters}",
        "one_each": f"one for each of {filters}",
        "threshold": "the fewest that keep similarities within each cluster at 0.5 or more",
        "silhouette": "the number with the best silhouette score",
    }
    return f"Suggested: {rule[recipe.cluster_rule]}. Method: {method}."


def _ranked(*, place: str) -> None:
    """Where the recipe ranks the whole group: a note that clusters have no effect, and a button."""
    if state.session().recipe.selection == "clusters":
        return
    st.caption(
        "This recipe ranks the whole group: clusters show which filters are similar but do not "
        "affect which of them are pruned."
    )
    st.button(
        "Choose filters by cluster", key=f"in clusters {place}", on_click=_in_clusters,
        icon=":material/bubble_chart:",
        help="Changes the recipe so that filters of every cluster are kept as far as possible. "
        "You can undo it.",
    )  # fmt: skip


def _in_clusters() -> None:
    recipe = state.session().recipe
    state.change(recipe=replace(recipe, selection="clusters"))
    st.session_state[_CHANGED] = True


def fate_menu(view: GroupView, selected: Sequence[int]) -> None:
    """Draw the buttons that merge, split, move, keep or remove the selected filters; each changes
    the edits of the session.

    Args:
        view: The view of the group.
        selected: Numbers of the selected filters.
    """
    name, labels, units = view.group.name, view.labels, tuple(selected)
    touched = {labels[unit] for unit in units} - {-1}
    edits = loaders.edits_of(state.session())
    fixed = {unit for where, unit in (*edits.keep, *edits.remove) if where == name}
    with st.container(horizontal=True, gap="small", key="fate menu"):
        _button("Merge", lambda e: group_edits.merge(e, name, labels, units),
                off=len(touched) < 2, help="Merge their clusters into one")  # fmt: skip
        _button("Split", lambda e: group_edits.split(e, name, labels, units),
                off=not touched, help="Make them a separate cluster")  # fmt: skip
        with st.popover("Move to", disabled=not touched):
            key = f"move {name} {state.revision()}"
            target = st.selectbox("Cluster", view.clusters, key=key)
            _button("Move", lambda e: group_edits.move(e, name, labels, units, int(target)))
        protected = view.group.protected
        _button("Keep", lambda e: group_edits.set_fate(e, name, units, "keep"),
                off=protected, help="Always keep these filters")  # fmt: skip
        _button("Remove", lambda e: group_edits.set_fate(e, name, units, "remove"),
                off=protected, help="Always remove these filters")  # fmt: skip
        if fixed & set(units):
            _button("Release", lambda e: group_edits.set_fate(e, name, units, None),
                    help="Let the recipe decide again")  # fmt: skip
    if not protected:
        _ranked(place="acts")


def _button(
    label: str, edit: Callable[[Edits], Edits], *, off: bool = False, help: str | None = None
) -> None:
    st.button(label, on_click=_apply, args=(edit,), disabled=off, help=help, key=f"act {label}")


def _count(key: str, group: str, shown: int) -> None:
    session, requested = state.session(), int(st.session_state.get(key, shown))
    if requested == shown:
        return  # nothing new: Streamlit calls again when a run was interrupted
    network, available = loaders.network(session.model), evidence.evidence(session.model)
    recipe = usable_recipe(session)
    _apply(
        lambda edits: group_edits.with_cluster_count(
            Problem(network, Request(recipe, edits), available), group, requested
        )
    )


def _apply(edit: Callable[[Edits], Edits]) -> None:
    """Change the edits in one step, unless no plan can be made with them: then say why."""
    session = state.session()
    before = loaders.edits_of(session)
    try:
        after = edit(before)
        if after.remove != before.remove:
            planned.allocated_widths(session.model, Request(session.recipe, after))
    except SfpError as problem:
        st.session_state[_PROBLEM] = problem
        return
    state.change(edits=after)
    st.session_state[_CHANGED] = True
