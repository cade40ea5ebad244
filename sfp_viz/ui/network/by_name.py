"""Open a network of torchvision or timm by a part of its name, untrained or with its weights."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.named_network import NamedNetwork, PublishedWeights
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import model_store
from sfp_viz.nets.zoo.names import named_networks
from sfp_viz.text.named_networks import facts, label, weights_label
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation.network_switch import open_network
from sfp_viz.ui.network import opening

_SMALL = ("cifar_alexnet", "cifar_vgg16", "cifar_googlenet")  # ours, for 32 x 32 pixels


def name_form() -> None:
    """Choose a network of torchvision, timm or sfp-viz, and its weights."""
    networks = _networks()
    others = sorted(set(networks) - set(opening.BY_NAME))
    name = st.selectbox(
        "Architecture", (*opening.BY_NAME, *_SMALL, *others), key="by name",
        help="Type a part of its name, such as lite0 or fcn",
        format_func=lambda name: label(networks[name]) if name in networks else name,
    )  # fmt: skip
    if not name:
        return
    network = networks.get(name)
    weights = _weights(network) if network else None
    if network and weights:
        _trained(network, weights)
    else:
        _untrained(str(name), network)


@st.cache_resource(max_entries=1, show_spinner="Listing the networks of torchvision and timm")
def _networks() -> dict[str, NamedNetwork]:
    return {network.name: network for network in named_networks(loaders.home())}


def _weights(network: NamedNetwork) -> PublishedWeights | None:
    """The choice of weights; None for random ones."""
    st.caption(problems.plain(facts(network)))
    sets = {weights.name: weights for weights in network.weights}
    if not sets:
        return None
    chosen = st.selectbox(
        "Weights", ("", *sets), key=f"weights {network.name}",
        format_func=lambda name: weights_label(sets[name]) if name else "Untrained: random weights",
    )  # fmt: skip
    return sets.get(chosen or "")


def _untrained(name: str, network: NamedNetwork | None) -> None:
    usual = network.input_shape[1] if network else 32 if name in _SMALL else 224
    side = opening.number("Image size in pixels", usual, key=f"side by name {name}")
    valid = opening.fits({"The image size": (side, opening.SIDES)})
    st.caption(
        "The weights are random: costs are exact, but the filters are meaningless until the "
        "network is trained. Nothing is downloaded."
    )
    clicked = st.button("Build", type="primary", key="open name", disabled=not valid)
    if clicked and valid:  # a click may come with a number out of range
        opening.open_source(opening.clean(name, keep=":./-"), input_shape=(3, side, side))


def _trained(network: NamedNetwork, weights: PublishedWeights) -> None:
    from sfp_viz.nets.io.pretrained import is_here

    here = is_here(network, weights)
    if not here:
        st.caption(
            "The weights are downloaded from "
            f"{problems.plain(weights.url.split('/')[2])} when you press the button."
        )
    button = "Open" if here else "Download and open"
    if not st.button(button, type="primary", key="open trained"):
        return
    place = st.empty()
    try:
        with place.container():
            key = _download(network, weights)
    except SfpError as problem:
        place.empty()
        problems.show(problem)
        st.button(
            "Open it untrained", key="open untrained", on_click=_open_untrained,
            args=(network.name, network.input_shape),
        )  # fmt: skip
        return
    opening.show(key)


def _download(network: NamedNetwork, weights: PublishedWeights) -> str:
    """Fetch and import the network, with a bar and a button that ends this; returns its key."""
    from sfp_viz.nets.io.pretrained import load_pretrained

    bar = st.progress(0.0, text="Connecting")
    st.button("Cancel", key="cancel download")  # a click ends this run at the next progress

    def progress(file: str, share: float) -> None:
        bar.progress(share, text=f"Downloading {file}: {share:.0%}")

    model = load_pretrained(network, weights, progress=progress)
    bar.progress(1.0, text="Tracing its layers")
    return model_store.import_model(loaders.home(), model)


def _open_untrained(name: str, shape: tuple[int, int, int]) -> None:
    try:
        open_network(opening.import_network(name, input_shape=shape))
    except SfpError as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
