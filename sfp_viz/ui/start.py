"""The Start page's panels: the network on the screen, the others, and the runs that are going."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.nets.io import model_store, samples
from sfp_viz.runs.results import catalog
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import percent, size, span
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.components.filter_map import Points, filter_map, gesture
from sfp_viz.ui.group import filter_maps as maps
from sfp_viz.ui.group.group_view import group_view, pixels, points_of
from sfp_viz.ui.navigation import saved_sessions, steps_panel
from sfp_viz.ui.runs import job_chip
from sfp_viz.ui.session import state
from sfp_viz.ui.session.tree import Step

MAP_HEIGHT = 400


def go_on() -> None:
    """The way back to where the last browser session of this workspace stood; nothing where this
    one has begun something itself, or there was none."""
    left = saved_sessions.last_session()
    if left is None:
        return
    title = problems.plain(steps_panel.network_title(left.step.model))
    then = datetime.fromtimestamp(left.time)
    day = "today" if then.date() == datetime.now().date() else f"{then:%d %b %Y}"
    with st.container(
        border=True, key="go_on_box", horizontal=True, horizontal_alignment="distribute",
        vertical_alignment="center",
    ):  # fmt: skip
        st.markdown(
            f"**Go on where you were:** {title}, {_went(left.step)}, {day} at {then:%H:%M}",
            width="content",
        )
        st.button(
            "Go on",
            key="go_on",
            on_click=saved_sessions.resume_last,
            args=(left,),
            icon=":material/history:",
        )


def _went(step: Step) -> str:
    """The plan of a step in words, with the share of MACs that it takes away (computed)."""
    hand = ", with changes by hand" if step.edits else ""
    return f"{run_labels.recipe_label(step.recipe)} {steps_panel.macs_change(step)} MACs{hand}"


def picture() -> None:
    """The filter map of one layer of the network on the screen."""
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        st.info("This network has no group of filters that could be shown.")
        return
    found = planned.dispersions(session.model, session.recipe)
    read = loaders.network(session.model)
    drawn = "neurons" if read.layer(group.layers[0]).neurons else "filters"
    st.markdown(
        f"**{problems.plain(group.layers[0])}** &nbsp; {group.size:,} {drawn}, each a point; like "
        f"{drawn} lie together"
    )
    chosen = session.selection if session.group == group.name else ()
    filter_map(
        _points(session, group), key="start map", selected=chosen, revision=state.revision(),
        on_change=lambda: _map_chose(group.name), height=MAP_HEIGHT,
    )  # fmt: skip
    if group.name in found and not session.group:
        st.caption(standing(read, found, group.name))
    if st.button("Explore this layer", type="primary", key="explore"):
        state.change(group=group.name)
        st.switch_page("pages/explore.py")


def standing(network: Network, found: Mapping[str, float], group: str) -> str:
    """How the layer stands among the others by Kernel Dispersion (``found``, by group)."""
    spread = found[group]
    lower = [network.group(name) for name, one in found.items() if one < spread]
    measure = f"Kernel Dispersion {spread:.2f}, where 1 is as spread as random filters (computed)."
    if spread > 0.95 and not lower:
        return f"No layer repeats itself much; this one has {measure}"
    if not lower:
        return f"Of all layers this one repeats itself most: {measure}"
    if all(network.layer(one.layers[0]).neurons for one in lower):
        return f"Layers of neurons aside, this one repeats itself most: {measure}"
    return measure


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
    st.caption(made_of(network))


def made_of(network: Network) -> str:
    """'2 convolutions and 1 layer of neurons in 3 groups; all of them can be cut.'"""
    free, groups = len(network.free), len(network.groups)
    hidden = sum(layer.neurons for layer in network.layers)
    maps = len(network.layers) - hidden
    told = [f"{maps} convolution{'' if maps == 1 else 's'}"] if maps else []
    told += [f"{hidden} layer{'' if hidden == 1 else 's'} of neurons"] if hidden else []
    if not told:
        return "No layer has filters that could be cut."
    share = "all of them" if free == groups else f"{free} of the groups"
    ties = f"{groups} group{'' if groups == 1 else 's'}"
    return f"{' and '.join(told)} in {ties}; {share} can be cut."


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
    found = [
        it for it in model_store.stored_models(loaders.home()) if it.digest != state.session().model
    ]
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
        kind, state = run_labels.KINDS.get(run.kind, run.kind), run_labels.STATES[run.state]
        words = f"{job_chip.network_of(run)}: {kind.lower()}, {state.lower()}"
        if run.epochs:
            words += f", {len(run.epochs)} of {run.epochs[-1].epochs} epochs"
        if st.button(problems.plain(words), key=f"run {run.id}", icon=":material/monitoring:"):
            job_chip.open_run(run)
