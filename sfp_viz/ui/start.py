"""The Start page's panels: the network on the screen, the others, and the runs that are going."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import FilterGroup
from sfp_viz.figures.numbers import percent, size, span
from sfp_viz.nets import samples, store
from sfp_viz.runs.results import catalog
from sfp_viz.ui import loaders, planned, problems
from sfp_viz.ui.components.filter_map import Points, filter_map, gesture
from sfp_viz.ui.explore import maps
from sfp_viz.ui.explore.view import group_view, pixels, points_of
from sfp_viz.ui.runs import job_chip
from sfp_viz.ui.session import state

MAP_HEIGHT = 400
_KINDS = {
    "finetune": "fine-tuning",
    "steps": "pruning and fine-tuning in steps",
    "sparsify": "pruning while training",
    "sweep": "a sweep",
    "observe": "a look at images",
    "sensitivity": "sensitivity",
    "latency": "time of each layer",
    "trust": "test of the suggestion",
}


def picture() -> None:
    """The filter map of one layer of the network on the screen."""
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        st.info("This network has no group of filters that could be shown.")
        return
    dispersion = planned.dispersions(session.model, session.recipe).get(group.name)
    st.markdown(
        f"**{problems.plain(group.layers[0])}** &nbsp; {group.size} filters, each a point; like "
        "filters lie together"
    )
    chosen = session.selection if session.group == group.name else ()
    filter_map(
        _points(session, group), key="start map", selected=chosen, revision=state.revision(),
        on_change=lambda: _map_chose(group.name), height=MAP_HEIGHT,
    )  # fmt: skip
    if dispersion is not None and not session.group:
        st.caption(
            "Of all layers this one repeats itself most: Kernel Dispersion "
            f"{dispersion:.2f}, where 1 is as spread as random filters (computed)."
        )
    if st.button("Explore this layer", type="primary", key="explore"):
        state.change(group=group.name)
        st.switch_page("pages/explore.py")


def _map_chose(group: str) -> None:
    if (units := gesture("start map")) is not None:
        state.change(group=group, selection=units)


def _points(session: state.Session, group: FilterGroup) -> Points:
    """The map's points; a sample ships its clusters, so that nothing has to be clustered first."""
    places = maps.places(session.model, group.name).points
    labels = maps.shipped_labels(session.model, group.name)
    if labels is None:
        return points_of(group_view(session, group, group.layers[0]), places)
    network = loaders.network(session.model)
    sizes = {label: labels.count(label) for label in set(labels)}
    return Points(
        name=f"{network.digest} {group.layers[0]}",
        title=group.layers[0],
        places=maps.apart(places),
        clusters=labels,
        notes=[_mates(sizes[label] - 1) for label in labels],
        pixels=pixels(network, group.layers[0], group.size),
    )


def _mates(others: int) -> str:
    return f"{others} other filter{'' if others == 1 else 's'} in its cluster"


def facts() -> None:
    """What is known of the network on the screen."""
    session = state.session()
    network = loaders.network(session.model)
    if session.model in samples.sample_names():
        card = samples.sample_card(session.model)
        st.markdown(f"Trained on {problems.plain(str(card.get('trained_on', card.get('data'))))}.")
        st.caption(_accuracy(card))
    free, groups = len(network.free), len(network.groups)
    share = "all of them" if free == groups else f"{free} of the groups"
    st.caption(f"{len(network.layers)} convolutions in {groups} groups; {share} can be cut.")


def _accuracy(card: dict) -> str:
    try:
        interval = tuple(float(bound) for bound in card["interval"])
        return (
            f"{percent(float(card['accuracy']))} of {int(card['test_images']):,} test images "
            f"right (measured when it was made; 95 % interval {span((interval[0], interval[1]))})"
        )
    except (KeyError, ValueError, TypeError, IndexError):
        return "Its accuracy is not known."


def others() -> None:
    """The other samples, each as one line with a button."""
    now = state.session().model
    for name in samples.sample_names():
        if name == now:
            continue
        with problems.shown(), st.container(border=True, key=f"sample {name}"):
            card = samples.sample_card(name)
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
            ):
                with st.container(gap=None):
                    st.markdown(f"**{problems.plain(str(card.get('title', name)))}**")
                    st.caption(_accuracy(card).split(" (")[0])
                st.button("Open", key=f"open {name}", on_click=state.change, kwargs={"model": name})


def stored() -> None:
    """Networks opened before, which lie in the workspace."""
    found = [it for it in store.stored_models(loaders.home()) if it.digest != state.session().model]
    for it in found[:6]:
        st.button(
            problems.plain(f"{it.name[:60]}, {size(it.size)}"), key=f"stored {it.digest}",
            type="tertiary", on_click=state.change, kwargs={"model": it.digest},
            icon=":material/history:",
        )  # fmt: skip


def runs() -> None:
    """The newest runs, each with a way back to it."""
    found = catalog.newest(loaders.home(), 4)
    if not found:
        return
    st.markdown("**Runs**")
    for run in found:
        words = f"{job_chip.network_of(run)}: {_KINDS.get(run.kind, run.kind)}, {run.state}"
        if run.epochs:
            words += f", {len(run.epochs)} of {run.epochs[-1].epochs} epochs"
        if st.button(problems.plain(words), key=f"run {run.id}", icon=":material/monitoring:"):
            job_chip.open_run(run)
