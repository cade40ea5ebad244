"""The Model page's report: facts, what can be pruned, the measured baseline."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.redundancy.dead_filters import DeadFilters, dead_filters
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import model_store, samples
from sfp_viz.nets.io.model_file import read_header
from sfp_viz.text.dead_filters import dead_count, dead_layers_warning
from sfp_viz.text.groups import protected_groups
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import count, percent, size, span
from sfp_viz.text.outputs import NO_SCORES, outputs_sentence
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, pruned
from sfp_viz.ui.navigation.network_switch import open_network
from sfp_viz.ui.network import bare
from sfp_viz.ui.session import state


def facts() -> None:
    """Size, input, preprocessing and origin of the network on the screen."""
    session = state.session()
    network = loaders.network(session.model)
    header, path = header_of(session.model), path_of(session.model)
    whole = cost_of_widths(network, {})
    shape = " × ".join(str(n) for n in network.input_shape)
    if network.is_bare:
        st.markdown(
            f"{len(network.layers)} convolutions, {count(whole.params)} params (computed). File "
            f"size: {size(path.stat().st_size)} (measured)."
        )
        return
    st.markdown(
        f"{count(whole.macs)} MACs for one image, {count(whole.params)} params (computed). "
        f"File size: {size(path.stat().st_size)} (measured)."
    )
    st.markdown(f"Input: {shape} (channels, height, width). {_normalization(header)}")
    classes = outputs_sentence(network).rstrip(".") or "Unknown number of classes"
    classes = f"{network.classes} classes" if network.classes else problems.plain(classes)
    data = f", trained on {problems.plain(network.data)}" if network.data else ""
    st.markdown(f"{classes}{data}.")
    for note in header.get("arguments", {}).get("program", {}).get("notes", ()):
        st.caption(problems.plain(str(note)))
    if header.get("plans"):
        times = len(header["plans"])
        st.markdown(f"Already pruned {'once' if times == 1 else f'{times} times'}.")


def path_of(key: str):
    """The network's safetensors file."""
    if key in samples.sample_names():
        return samples.sample_path(key)
    return model_store.stored_path(loaders.home(), key)


def header_of(key: str) -> dict[str, Any]:
    """The header of the network's file; loads no torch."""
    return read_header(path_of(key))


def _normalization(header: dict[str, Any]) -> str:
    mean, std = header.get("mean") or (), header.get("std") or ()
    if not mean:
        return ""
    return (
        "Pixels from 0 to 1, minus " + ", ".join(f"{x:.3f}" for x in mean) + ", divided by "
        + ", ".join(f"{x:.3f}" for x in std) + "."
    )  # fmt: skip


def prunability(network: Network) -> None:
    """How much of the network can be pruned, in a sentence, and why the rest cannot."""
    free = network.free
    filters = sum(group.width for group in network.groups)
    free_filters = sum(group.width for group in free)
    st.markdown(
        f"**{len(free)} of {len(network.groups)} groups can be pruned**: {free_filters:,} of "
        f"{filters:,} filters."
    )
    for cause, names in list(protected_groups(network).items())[:4]:
        st.caption(f"Not prunable: {problems.plain(join_names(names))}. {problems.plain(cause)}")


@st.cache_resource(max_entries=16, show_spinner=False)
def _dead(key: str, digest: str) -> tuple[DeadFilters, ...]:
    return dead_filters(loaders.network(key))


def dead(network: Network) -> None:
    """How many filters of each group are dead, and a warning where a whole layer is."""
    groups = _dead(state.session().model, network.digest)
    if text := dead_layers_warning(groups):
        st.warning(problems.plain(text))
    if text := dead_count(groups):
        st.caption(problems.plain(text))


def nothing_to_prune(network: Network) -> None:
    """The screen for a network without a group that can be pruned: why, and what still works."""
    if network.is_bare:
        st.subheader("These weights can be explored, not pruned")
        source = header_of(state.session().model).get("source") or {}
        for reason in source.get("assumptions", ()):
            st.markdown(problems.plain(reason.partition("\n")[0]))
        if differences := source.get("differences"):
            with st.expander(problems.plain(f"Entries that differ from {source['nearest']}")):
                table = pd.DataFrame(differences, columns=["entry", "difference"])
                st.dataframe(table, hide_index=True, key="differences")
        bare.way_out()
        st.page_link(
            "pages/explore.py", label="Explore the filters", icon=":material/arrow_forward:"
        )
        return
    st.subheader("This network cannot be pruned")
    for cause, names in list(protected_groups(network).items())[:4]:
        st.markdown(problems.plain(cause))
        st.caption(f"Applies to {problems.plain(join_names(names))}.")
    if not network.groups:
        st.markdown("It has no convolution or hidden linear layer whose filters can be compared.")
    st.markdown(
        "**What still works**: the map of every layer's filters, their clusters, the Kernel "
        "Dispersion of each layer, and the cost and time of each layer."
    )
    st.markdown(
        "**What to try**: an architecture whose channels are combined only by additions and "
        "concatenations (ResNet, VGG, MobileNet, DenseNet, EfficientNet), or the same network with "
        "the operation named above written as a separate layer that keeps the order of channels."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if network.groups:
            st.page_link(
                "pages/explore.py", label="Explore its filters", icon=":material/arrow_forward:"
            )
        st.button(
            "Open the sample network", on_click=open_network, key="free sample",
            args=(state.DEFAULT_MODEL,), type="tertiary",
        )  # fmt: skip


def baseline(network: Network) -> None:
    """Accuracy of the unpruned network, measured on a click."""
    from sfp_viz.nets.data.datasets import available

    st.markdown("**Accuracy before pruning**")
    if network.outputs:
        st.info(NO_SCORES)
        return
    names = ("digits", "fashion_mnist", "cifar10", "cifar100")
    available_names = [name for name in names if available(name, "test")]
    options = sorted({*available_names, *([network.data] if network.data else [])})
    default = options.index(network.data) if network.data in options else None
    data = st.selectbox("Test images", options, default, key=f"data {network.digest}")
    if data is None:
        st.caption("Choose the dataset that the network was trained on.")
        return
    if data not in available_names:
        st.info(
            f"{data} is not on this machine, so the accuracy cannot be measured. Everything else "
            "works. The README says where to put the images."
        )
        return
    if st.button("Measure accuracy", key="measure"):
        with problems.catch(), st.spinner("Measuring accuracy on the test images"):
            st.session_state[f"measured {network.digest} {data}"] = pruned.accuracy(
                state.session().model, str(data)
            )
    measured = st.session_state.get(f"measured {network.digest} {data}")
    if measured:
        st.markdown(
            f"**{percent(measured.accuracy)}** accuracy on {measured.images:,} test images "
            f"(measured; 95 % interval {span(measured.interval)})"
        )


def damaged(problem: SfpError) -> None:
    """The network on the screen cannot be read: the reason, and a button to open a sample."""
    problems.show(problem)
    st.button(
        "Open the sample network", on_click=open_network,
        args=(state.DEFAULT_MODEL,), key="to sample",
    )  # fmt: skip
