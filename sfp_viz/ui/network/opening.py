"""Open a network: a sample, an architecture by name, or a file somebody brings.

Files are hostile: they go to a folder of ours under a cleaned name, and only through `load_model`,
which runs no code.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sfp_viz.errors import ModelError, SfpError
from sfp_viz.nets.io import model_store, samples
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
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
    side = _number("Image side in pixels", 32 if small else 224, key=f"side by name {small}")
    fits = _fits({"The image side": (side, _SIDES)})
    st.caption(
        "Its weights are random: costs are exact, but its filters mean nothing until it is "
        "trained. Nothing is downloaded."
    )
    asked = st.button("Build it", type="primary", key="open name", disabled=not (name and fits))
    if asked and name and fits:  # a click may come with the very number that does not fit
        _open(clean(str(name), keep=":./-"), input_shape=(3, side, side))


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
    shape, fits = _shape() if own_size else (None, True)
    off = upload is None or not fits
    if st.button("Open the file", type="primary", key="open file", disabled=off) and not off:
        given = None if architecture == ITSELF else clean(str(architecture), keep=":./-")
        _open(upload, architecture=given, input_shape=shape)


def _shape() -> tuple[tuple[int, int, int], bool]:
    """Channels, height and width of images, and whether all of them will do."""
    with st.container(horizontal=True):
        channels = _number("Channels", 3, key="channels")
        height = _number("Height", 32, key="height")
        width = _number("Width", 32, key="width")
    fits = _fits({
        "The number of channels": (channels, (1, 16)),
        "The height in pixels": (height, _SIDES),
        "The width in pixels": (width, _SIDES),
    })  # fmt: skip
    return (channels, height, width), fits


def _number(label: str, value: int, *, key: str) -> int:
    """A field without limits: with them the browser would keep quiet about a number that is out of
    them, and go on with the last one that was not."""
    return int(st.number_input(label, value=value, step=1, key=key))


def _fits(numbers: Mapping[str, tuple[int, tuple[int, int]]]) -> bool:
    """Whether each number lies within its limits; a sentence for those that do not."""
    bad = {name: it for name, it in numbers.items() if not it[1][0] <= it[0] <= it[1][1]}
    for name, (number, (low, high)) in bad.items():
        st.error(f"{name} is a whole number from {low:,} to {high:,}, not {number:,}.")
    return not bad


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
    from sfp_viz.nets.io.load import load_model

    if isinstance(source, str):
        if source in samples.sample_names():
            return source
        if not source.startswith(("torchvision:", "timm:")) and source not in OURS:
            source = f"torchvision:{source}"  # a bare name is never a path on this machine
        model = load_model(source, **options)
        return model_store.import_model(
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
    return model_store.import_model(loaders.home(), replace(model, name=model.name or title))


def clean(name: str, *, keep: str = "-") -> str:
    """A name out of a stranger's hands: letters, digits, '_' and ``keep``, at most 60 of them."""
    return re.sub(rf"[^A-Za-z0-9_{re.escape(keep)}]+", "_", name)[:60].strip("._-")


def _show(key: str) -> None:
    state.change(model=key)
    st.rerun()
