"""The Start page's panels: the network on the screen, other networks, and the newest runs."""

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
from sfp_viz.ui.group import filter_maps
from sfp_viz.ui.group.group_view import group_view, pixels, points_of
from sfp_viz.ui.navigation import saved_sessions, steps_panel
from sfp_viz.ui.navigation.network_switch import open_network
from sfp_viz.ui.runs import job_chip
from sfp_viz.ui.session import state
from sfp_viz.ui.session.tree import Step

MAP_HEIGHT = 400


def resume_offer() -> None:
    """A button that resumes the last browser session of this workspace; nothing where there was
    none, or where this one has done something already."""
    last_run = saved_sessions.last_session()
    if last_run is None:
        return
    title = problems.plain(steps_panel.network_title(last_run.step.model))
    saved_at, plan = datetime.fromtimestamp(last_run.time), _plan_text(last_run.step)
    day = "today" if saved_at.date() == datetime.now().date() else f"{saved_at:%d %b %Y}"
    with st.container(
        border=True, key="go_on_box", horizontal=True, horizontal_alignment="distribute",
        vertical_alignment="center",
    ):  # fmt: skip
        st.markdown(
            f"**Resume your last session:** {title}, {plan}, {day} at {saved_at:%H:%M}",
            width="content",
        )
        st.button(
            "Resume",
            key="go_on",
            on_click=saved_sessions.resume_last,
            args=(last_run,),
            icon=":material/history:",
        )


def _plan_text(step: Step) -> str:
    """The plan of a step in words, with the share of MACs that it saves (computed)."""
    edits = ", with manual changes" if step.edits else ""
    return f"{run_labels.recipe_label(step.recipe)} {steps_panel.macs_change(step)} MACs{edits}"


def map_panel() -> None:
    """The filter map of one layer of the network on the screen."""
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        st.info("This network has no filters to show.")
        return
    spread = planned.dispersions(session.model, session.recipe)
    network = loaders.network(session.model)
    noun = "units" if network.layer(group.layers[0]).neurons else "filters"
    st.markdown(
        f"**{problems.plain(group.layers[0])}** &nbsp; {group.size:,} {noun}, each shown as a "
        f"point; similar {noun} are close together"
    )
    selection = session.selection if session.group == group.name else ()
    filter_map(
        _points(session, group), key="start map", selected=selection, revision=state.revision(),
        on_change=lambda: _map_chose(group.name), height=MAP_HEIGHT,
    )  # fmt: skip
    if group.name in spread and not session.group:
        st.caption(dispersion_note(network, spread, group.name))
    if st.button("Explore this layer", type="primary", key="explore"):
        state.change(group=group.name)
        st.switch_page("pages/explore.py")


def dispersion_note(network: Network, dispersions: Mapping[str, float], group: str) -> str:
    """How redundant a layer is compared with the others, in a sentence.

    Args:
        network: The network.
        dispersions: Kernel Dispersion 0..1 by group.
        group: The group of the layer.
    """
    value = dispersions[group]
    more_redundant = [network.group(name) for name, spread in dispersions.items() if spread < value]
    measure = f"Kernel Dispersion {value:.2f}; random filters have 1 (computed)."
    if value > 0.95 and not more_redundant:
        return f"No layer is very redundant. This one has {measure}"
    if not more_redundant:
        return f"This layer is the most redundant one: {measure}"
    if all(network.layer(spread.layers[0]).neurons for spread in more_redundant):
        return f"Among convolutions, this layer is the most redundant one: {measure}"
    return measure


def _map_chose(group: str) -> None:
    if (units := gesture("start map")) is not None:
        state.change(group=group, selection=units)


def _points(session: state.Session, group: FilterGroup) -> Points:
    """The map's points; a sample ships its clusters, so that nothing has to be clustered first."""
    places = filter_maps.places(session.model, group.name).points
    labels = filter_maps.shipped_labels(session.model, group.name)
    if labels is None:
        return points_of(group_view(session, group, group.layers[0]), places)
    network = loaders.network(session.model)
    sizes = {label: labels.count(label) for label in set(labels)}
    return Points(
        name=f"{network.digest} {group.layers[0]}",
        title=group.layers[0],
        places=filter_maps.spread_apart(places),
        clusters=labels,
        notes=[_mates(sizes[label] - 1) for label in labels],
        pixels=pixels(network, group.layers[0], group.size),
    )


def _mates(others: int) -> str:
    return f"{others} other filter{'' if others == 1 else 's'} in its cluster"


def facts() -> None:
    """Training data, accuracy and layers of the network on the screen."""
    session = state.session()
    network = loaders.network(session.model)
    if session.model in samples.sample_names():
        card = samples.sample_card(session.model)
        st.markdown(f"Trained on {problems.plain(str(card.get('trained_on', card.get('data'))))}.")
        st.caption(_accuracy(card))
    st.caption(layer_summary(network))


def layer_summary(network: Network) -> str:
    """'2 convolutions and 1 linear layer in 3 groups. All of them can be pruned.'"""
    free, groups = len(network.free), len(network.groups)
    hidden = sum(layer.neurons for layer in network.layers)
    convs = len(network.layers) - hidden
    counts = [f"{convs} convolution{'' if convs == 1 else 's'}"] if convs else []
    counts += [f"{hidden} linear layer{'' if hidden == 1 else 's'}"] if hidden else []
    if not counts:
        return "No layer has filters that can be pruned."
    in_groups = f"{groups} group{'' if groups == 1 else 's'}"
    share = "All" if free == groups else f"{free:,}" if free else "None"
    return f"{' and '.join(counts)} in {in_groups}. {share} of them can be pruned."


def _accuracy(card: dict) -> str:
    try:
        interval = tuple(float(bound) for bound in card["interval"])
        return (
            f"{percent(float(card['accuracy']))} accuracy on {int(card['test_images']):,} test "
            f"images (measured after training; 95 % interval {span((interval[0], interval[1]))})"
        )
    except (KeyError, ValueError, TypeError, IndexError):
        return "Its accuracy is unknown."


def other_samples() -> None:
    """The other samples, each with a button that opens it."""
    current = state.session().model
    for name in samples.sample_names():
        if name == current:
            continue
        with problems.catch(), st.container(border=True, key=f"sample {name}"):
            card = samples.sample_card(name)
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
            ):
                with st.container(gap=None):
                    st.markdown(f"**{problems.plain(str(card.get('title', name)))}**")
                    st.caption(_accuracy(card).split(" (")[0])
                st.button("Open", key=f"open {name}", on_click=open_network, args=(name,))


def stored_networks() -> None:
    """Networks of the workspace, which were opened before."""
    current = state.session().model
    models = [m for m in model_store.stored_models(loaders.home()) if m.digest != current]
    for model in models[:6]:
        _stored_network(model)
    if len(models) > 6:
        with st.expander(f"{len(models) - 6:,} more"):
            for model in models[6:]:
                _stored_network(model)


def _stored_network(model: model_store.StoredModel) -> None:
    """A button that opens a network of the workspace, and fields to rename and delete it."""
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.button(
            problems.plain(f"{model.name[:60]}, {size(model.size)}"), key=f"stored {model.digest}",
            type="tertiary", on_click=open_network, args=(model.digest,),
            icon=":material/history:",
        )  # fmt: skip
        with st.popover("Edit", type="tertiary", key=f"of {model.digest}"):
            key = f"name {model.digest}"
            st.text_input("Name", model.name, key=key, max_chars=200)
            st.button("Rename", key=f"rename {model.digest}", on_click=_rename, args=(model, key))
            st.button(
                "Delete", key=f"delete {model.digest}", on_click=_delete, args=(model,),
                icon=":material/delete:", help="Runs that began with it keep their own copy",
            )  # fmt: skip


def _rename(model: model_store.StoredModel, key: str) -> None:
    name = str(st.session_state.get(key, "")).strip()
    if name and name != model.name:
        with problems.catch():
            model_store.change_stored(loaders.home(), model.digest, name=name)
            loaders.forget()


def _delete(model: model_store.StoredModel) -> None:
    with problems.catch():
        model_store.delete_stored(loaders.home(), model.digest)
        loaders.forget()


def runs() -> None:
    """The newest runs, each with a button that opens it."""
    newest = catalog.newest(loaders.home(), 4)
    if not newest:
        return
    st.markdown("**Runs**")
    for run in newest:
        kind, state = run_labels.KINDS.get(run.kind, run.kind), run_labels.STATES[run.state]
        label = f"{job_chip.network_of(run)}: {kind.lower()}, {state.lower()}"
        if run.epochs:
            label += f", {len(run.epochs)} of {run.epochs[-1].epochs} epochs"
        if st.button(problems.plain(label), key=f"run {run.id}", icon=":material/monitoring:"):
            job_chip.open_run(run)
