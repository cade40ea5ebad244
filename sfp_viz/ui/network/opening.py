"""Open a network: a sample, an architecture by name, or a file somebody brings.

Files are hostile: they go to a folder of ours under a cleaned name, and only through `load_model`,
which runs no code.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sfp_viz.errors import ModelError, SfpError
from sfp_viz.nets import samples, store
from sfp_viz.ui import loaders, problems
from sfp_viz.ui.session import state

SUFFIXES = ("safetensors", "pt", "pth", "th")
BY_NAME = (
    "torchvision:resnet18", "torchvision:resnet34", "torchvision:resnet50", "torchvision:vgg16_bn",
    "torchvision:alexnet", "torchvision:googlenet", "torchvision:mobilenet_v2",
    "torchvision:densenet121", "torchvision:regnet_y_400mf", "torchvision:convnext_tiny",
)  # fmt: skip
ITSELF = "recognize it from the file"
OURS = (
    "lenet5", "lenet_caffe", "cifar_resnet", "slim_vgg11", "cifar_vgg16", "cifar_alexnet",
    "cifar_googlenet",
)  # fmt: skip
_SMALL = ("cifar_alexnet", "cifar_vgg16", "cifar_googlenet")  # ours, for 32 x 32 pixels
_SIDES = (8, 1024)  # pixels


def sample_form() -> None:
    """One of the networks that come along."""
    names = samples.sample_names()
    titles = {name: str(samples.sample_card(name).get("title", name)) for name in names}
    chosen = st.selectbox("Sample network", names, format_func=lambda n: titles[n], key="sample")
    if st.button("Open it", type="primary", key="open sample") and chosen:
        _show(chosen)


def name_form() -> None:
    """An architecture of ours, torchvision or timm, untrained."""
    name = st.selectbox(
        "Architecture", (*BY_NAME, *_SMALL), key="by name", accept_new_options=True,
        help="torchvision:NAME or timm:NAME; type any name those libraries know",
    )  # fmt: skip
    small = name in _SMALL
    side = st.number_input(
        "Image side in pixels", *_SIDES, 32 if small else 224, key=f"side by name {small}"
    )
    st.caption(
        "Its weights are random: costs are exact, but its filters mean nothing until it is "
        "trained. Nothing is downloaded."
    )
    if st.button("Build it", type="primary", key="open name") and name:
        _open(clean(str(name), keep=":./-"), input_shape=(3, int(side), int(side)))


def file_form() -> None:
    """Weights from a file."""
    upload = st.file_uploader(
        "Weights", type=list(SUFFIXES), key=f"upload {state.revision()}",
        help="A state_dict (.pt, .pth, .th, .safetensors) or a file that this app exported",
    )  # fmt: skip
    architecture = st.selectbox(
        "Architecture", (ITSELF, *OURS, *BY_NAME), key="architecture", accept_new_options=True
    )
    own_size = st.checkbox("Its images have another size than usual", key="own size")
    shape = _shape() if own_size else None
    if st.button("Open the file", type="primary", key="open file", disabled=upload is None):
        given = None if architecture == ITSELF else clean(str(architecture), keep=":./-")
        _open(upload, architecture=given, input_shape=shape)


def _shape() -> tuple[int, int, int]:
    with st.container(horizontal=True):
        channels = st.number_input("Channels", 1, 16, 3, key="channels")
        height = st.number_input("Height", *_SIDES, 32, key="height")
        width = st.number_input("Width", *_SIDES, 32, key="width")
    return int(channels), int(height), int(width)


def _open(source, **options) -> None:
    """Open, read and keep the network, then show it; a problem leaves the app as it was."""
    try:
        with st.spinner("Opening: reading the layers and what ties them together"):
            key = keep(source, **options)
    except SfpError as problem:
        problems.say(problem)
        return
    _show(key)


def keep(source, **options) -> str:
    """Import a name or an upload into the workspace; its key. Loads torch; raises ModelError."""
    from sfp_viz.nets.open import load_model

    if isinstance(source, str):
        if source in samples.sample_names():
            return source
        if not source.startswith(("torchvision:", "timm:")) and source not in OURS:
            source = f"torchvision:{source}"  # a bare name is never a path on this machine
        model = load_model(source, **options)
        return store.import_model(
            loaders.home(), replace(model, name=f"{model.name} (untrained: random weights)")
        )
    suffix = Path(source.name).suffix.lower()
    if suffix.lstrip(".") not in SUFFIXES:
        raise ModelError(f"Weights come as {', '.join(SUFFIXES)}; this file is of another kind.")
    title = clean(Path(source.name).stem) or "weights"
    with tempfile.TemporaryDirectory(prefix="sfp-viz-") as folder:
        path = Path(folder) / f"{title}{suffix}"
        path.write_bytes(source.getbuffer())
        model = load_model(path, **options)
    return store.import_model(loaders.home(), replace(model, name=model.name or title))


def clean(name: str, *, keep: str = "-") -> str:
    """A name out of a stranger's hands: letters, digits, '_' and ``keep``, at most 60 of them."""
    return re.sub(rf"[^A-Za-z0-9_{re.escape(keep)}]+", "_", name)[:60].strip("._-")


def _show(key: str) -> None:
    state.change(model=key)
    st.rerun()
