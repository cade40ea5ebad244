"""The Model page's report: facts, what can be cut, the measured baseline."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.redundancy.dead_filters import Dead, counted, dead_filters, warning
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import model_store, samples
from sfp_viz.nets.io.model_file import read_header
from sfp_viz.text.groups import protected_groups
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import count, percent, size, span
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, pruned
from sfp_viz.ui.session import state


def facts() -> None:
    """Size, input, preprocessing and origin of the network on the screen."""
    session = state.session()
    network = loaders.network(session.model)
    header, path = header_of(session.model), path_of(session.model)
    whole = cost_of_widths(network, {})
    shape = " × ".join(str(n) for n in network.input_shape)
    st.markdown(
        f"{count(whole.macs)} MACs for one image, {count(whole.params)} params (computed). "
        f"File: {size(path.stat().st_size)}."
    )
    st.markdown(f"Input: {shape} (channels, height, width). {_normalization(header)}")
    classes = f"{network.classes} classes" if network.classes else "An unknown number of classes"
    data = f", trained for {problems.plain(network.data)}" if network.data else ""
    st.markdown(f"{classes}{data}.")
    if header.get("plans"):
        st.markdown(f"Already pruned {len(header['plans'])} times.")


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
        "Pixels 0 to 1, minus " + ", ".join(f"{x:.3f}" for x in mean) + ", divided by "
        + ", ".join(f"{x:.3f}" for x in std) + "."
    )  # fmt: skip


def prunability(network: Network) -> None:
    """How much of the network can be cut, in a sentence, and why not the rest."""
    free = network.free
    filters = sum(group.width for group in network.groups)
    loose = sum(group.width for group in free)
    st.markdown(
        f"**{len(free)} of {len(network.groups)} groups can be cut**: {loose:,} of "
        f"{filters:,} filters."
    )
    for cause, names in list(protected_groups(network).items())[:4]:
        st.caption(f"Left whole: {problems.plain(join_names(names))}. {problems.plain(cause)}")


@st.cache_resource(max_entries=16, show_spinner=False)
def _dead(key: str, digest: str) -> tuple[Dead, ...]:
    return dead_filters(loaders.network(key))


def dead(network: Network) -> None:
    """How many filters of each group are dead, and a warning where a whole layer is."""
    found = _dead(state.session().model, network.digest)
    if text := warning(found):
        st.warning(problems.plain(text))
    if text := counted(found):
        st.caption(problems.plain(text))


def nothing_to_cut(network: Network) -> None:
    """The designed screen of a network without a group that can be cut: why, and what works."""
    st.subheader("Nothing of this network can be cut")
    for cause, names in list(protected_groups(network).items())[:4]:
        st.markdown(problems.plain(cause))
        st.caption(f"Applies to {problems.plain(join_names(names))}.")
    if not network.groups:
        st.markdown("It has no convolution or hidden linear layer whose filters can be told apart.")
    st.markdown(
        "**What works all the same**: the map of every layer's filters, which of them are alike, "
        "how spread each layer is, what each layer costs and how long it takes here."
    )
    st.markdown(
        "**What to try**: an architecture whose channels only meet in additions and "
        "concatenations (ResNet, VGG, MobileNet, DenseNet, EfficientNet); or the same network with "
        "the operation named above written as a layer of its own that keeps the channels in order."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if network.groups:
            st.page_link(
                "pages/explore.py", label="Explore its filters", icon=":material/arrow_forward:"
            )
        st.button(
            "Open the sample network", on_click=state.change, key="free sample",
            kwargs={"model": state.DEFAULT_MODEL}, type="tertiary",
        )  # fmt: skip


def baseline(network: Network) -> None:
    """Accuracy of the uncut network, measured on a click."""
    from sfp_viz.nets.data.datasets import available

    st.markdown("**Accuracy before anything is cut**")
    names = ("digits", "fashion_mnist", "cifar10", "cifar100")
    known = [name for name in names if available(name, "test")]
    options = sorted({*known, *([network.data] if network.data else [])})
    default = options.index(network.data) if network.data in options else None
    data = st.selectbox("Test images", options, default, key=f"data {network.digest}")
    if data is None:
        st.caption("Choose the images that the network was trained for.")
        return
    if data not in known:
        st.info(
            f"{data} is not on this machine, so its accuracy cannot be measured; everything else "
            "works. The README says where images are looked for."
        )
        return
    if st.button("Measure it", key="measure"):
        with problems.shown(), st.spinner("Measuring: the network names every test image"):
            st.session_state[f"measured {network.digest} {data}"] = pruned.accuracy(
                state.session().model, str(data)
            )
    found = st.session_state.get(f"measured {network.digest} {data}")
    if found:
        st.markdown(
            f"**{percent(found.accuracy)}** of {found.images:,} test images right "
            f"(measured here; 95 % interval {span(found.interval)})"
        )


def damaged(problem: SfpError) -> None:
    """The network on the screen cannot be read: say so, and offer the first sample."""
    problems.say(problem)
    st.button(
        "Go on with the sample network", on_click=state.change,
        kwargs={"model": state.DEFAULT_MODEL}, key="to sample",
    )  # fmt: skip
