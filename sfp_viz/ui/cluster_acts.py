"""Buttons that change clusters and the fate of filters; each press is one undo step."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.core.edits import Edits
from sfp_viz.errors import SfpError
from sfp_viz.ui import acts, loaders, maps, problems, state
from sfp_viz.ui.view import GroupView


def apply(edits: Edits) -> None:
    """Make the edits one step, and draw the whole page anew: cost and undo have changed."""
    state.change(edits=edits)
    st.rerun()


def cluster_menu(view: GroupView) -> None:
    """The number of clusters, and the way back to the recipe's."""
    count, edits = len(view.clusters), loaders.edits_of(state.session())
    live = sum(label >= 0 for label in view.labels)
    with st.popover(f"{count} clusters", icon=":material/bubble_chart:"):
        wanted = st.number_input(
            "Number of clusters", 1, max(1, live), count,
            key=f"k {view.group.name} {state.revision()}",
        )  # fmt: skip
        recipe = state.session().recipe
        st.caption(
            "Changed by hand."
            if view.by_hand
            else f"Suggested: {recipe.kappa:g} for each filter that stays ({recipe.clustering})."
        )
        if wanted != count:
            _try(
                acts.counted, edits, view.group.name,
                maps.matrix(state.session().model, view.group.name), k=int(wanted),
                method=recipe.clustering, kind=recipe.similarity, seed=recipe.seed,
            )  # fmt: skip
        if st.button("Back to the suggestion", disabled=not view.by_hand, key="reset clusters"):
            apply(edits.with_clusters(view.group.name, None))


def fate_menu(view: GroupView, chosen: Sequence[int]) -> None:
    """What can be done with the chosen filters."""
    edits, name = loaders.edits_of(state.session()), view.group.name
    touched = {view.labels[unit] for unit in chosen} - {-1}
    with st.container(horizontal=True, gap="small", key="fate menu"):
        if st.button("Merge", disabled=len(touched) < 2, help="Make their clusters one"):
            _try(acts.merged, edits, name, view.labels, chosen)
        if st.button("Split off", disabled=not touched, help="Make them a cluster of their own"):
            _try(acts.split_off, edits, name, view.labels, chosen)
        with st.popover("Move to", disabled=not touched):
            target = st.selectbox("Cluster", view.clusters, key=f"move {name}")
            if st.button("Move them", key="move"):
                _try(acts.moved, edits, name, view.labels, chosen, int(target))
        whole = view.group.protected
        if st.button("Keep", disabled=whole, help="They stay, whatever the clusters say"):
            _try(acts.fated, edits, name, chosen, "keep")
        if st.button("Remove", disabled=whole, help="They go, whatever the clusters say"):
            _try(acts.fated, edits, name, chosen, "remove")
        fixed = {unit for where, unit in (*edits.keep, *edits.remove) if where == name}
        if fixed & set(chosen) and st.button("Release", help="Leave them to the recipe again"):
            _try(acts.fated, edits, name, chosen, None)


def _try(act, *given, **named) -> None:
    """Do it if the plan can be made with it; else say why not and change nothing."""
    session = state.session()
    try:
        after = act(*given, **named)
        if session.edits is None or session.edits.remove != after.remove:
            loaders.suggestion(session.model, session.recipe, after)
    except SfpError as problem:
        problems.say(problem)
        return
    apply(after)
