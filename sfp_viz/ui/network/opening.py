"""Open a network: a sample or an uploaded file; by_name.py opens architectures by name.

Files are not trusted: they are written to a temporary folder under a cleaned name and opened only
by `load_model`, which runs no code.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sfp_viz.errors import EXPORT_ADVICE, EXPORT_LINES, ModelError, SfpError
from sfp_viz.nets.io import model_store, samples
from sfp_viz.nets.io.file_formats import SUFFIXES
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation.network_switch import open_network
from sfp_viz.ui.session import state

# those of other formats too: the error names the format and what to do
OFFERED = (*SUFFIXES, "h5", "keras", "tflite", "pb", "npz", "zip", "gz", "html")
BY_NAME = (
    "torchvision:resnet18", "torchvision:resnet34", "torchvision:resnet50", "torchvision:vgg16_bn",
    "torchvision:alexnet", "torchvision:googlenet", "torchvision:mobilenet_v2",
    "torchvision:densenet121", "torchvision:regnet_y_400mf", "torchvision:convnext_tiny",
)  # fmt: skip
AUTOMATIC = "Detect from the file"
BUILT_IN = (
    "lenet5", "lenet_caffe", "cifar_resnet", "slim_vgg11", "cifar_vgg16", "cifar_alexnet",
    "cifar_googlenet",
)  # fmt: skip
SIDES = (8, 1024)  # pixels


def sample_form() -> None:
    """One of the sample networks."""
    names = samples.sample_names()
    titles = {name: str(samples.sample_card(name).get("title", name)) for name in names}
    name = st.selectbox("Sample network", names, format_func=lambda n: titles[n], key="sample")
    if st.button("Open", type="primary", key="open sample") and name:
        show(name)


def file_form() -> None:
    """A network or weights from a file."""
    upload = st.file_uploader(
        "Network or weights", type=list(OFFERED), key=f"upload {state.revision()}",
        help="A program of torch.export (.pt2), a state_dict under any name (.pth, .pth.tar, "
        ".ckpt, .bin, .safetensors ...), or a file exported by this app. ONNX opens for exploring.",
    )  # fmt: skip
    with st.expander("Export any network of your own"):
        st.markdown(problems.plain(EXPORT_ADVICE))
        st.code(EXPORT_LINES, language="python", wrap_lines=True)
    architecture = st.selectbox(
        "Architecture",
        (AUTOMATIC, *BUILT_IN, *BY_NAME),
        key="architecture",
        accept_new_options=True,
    )
    custom_size = st.checkbox("Custom input size", key="own size")
    shape, valid = _shape() if custom_size else (None, True)
    off = upload is None or not valid
    if st.button("Open file", type="primary", key="open file", disabled=off) and not off:
        name = None if architecture == AUTOMATIC else clean(str(architecture), keep=":./-")
        open_source(upload, architecture=name, input_shape=shape)


def _shape() -> tuple[tuple[int, int, int], bool]:
    """Channels, height and width of the images, and whether all are valid."""
    with st.container(horizontal=True):
        channels = number("Channels", 3, key="channels")
        height = number("Height", 32, key="height")
        width = number("Width", 32, key="width")
    valid = fits({
        "The number of channels": (channels, (1, 16)),
        "The height in pixels": (height, SIDES),
        "The width in pixels": (width, SIDES),
    })  # fmt: skip
    return (channels, height, width), valid


def number(label: str, value: int, *, key: str) -> int:
    """A field without limits: a browser silently ignores numbers outside the limits of a field and
    keeps the last valid one.

    Args:
        label: What stands above the field.
        value: What it starts with.
        key: Its key in the session.
    """
    return int(st.number_input(label, value=value, step=1, key=key))


def fits(numbers: Mapping[str, tuple[int, tuple[int, int]]]) -> bool:
    """Whether each number lies within its limits; a sentence for those that do not."""
    valid = True
    for name, (number, (low, high)) in numbers.items():
        if not low <= number <= high:
            st.error(f"{name} must be from {low:,} to {high:,}, not {number:,}.")
            valid = False
    return valid


def open_source(source, **options) -> None:
    """Open, read and store the network, then show it; a problem leaves the app as it was."""
    try:
        with st.spinner("Opening the network and tracing its layers"):
            key = import_network(source, **options)
    except SfpError as problem:
        problems.show(problem)
        return
    show(key)


def import_network(source, **options) -> str:
    """Import a network into the workspace; returns its key. Loads torch.

    Args:
        source: The name of an architecture, or an uploaded file.
        **options: Passed to `load_model`.

    Raises:
        ModelError: it cannot be opened.
    """
    from sfp_viz.nets.io.load import load_model

    if isinstance(source, str):
        if source in samples.sample_names():
            return source
        if not source.startswith(("torchvision:", "timm:")) and source not in BUILT_IN:
            source = f"torchvision:{source}"  # a bare name is never a path on this machine
        model = load_model(source, **options)
        return model_store.import_model(
            loaders.home(), replace(model, name=f"{model.name} (untrained: random weights)")
        )
    suffix = Path(source.name).suffix.lower()
    if suffix.lstrip(".") not in OFFERED:
        raise ModelError(f"The file must be of type {', '.join(SUFFIXES)}.")
    title = clean(re.sub(r"\.(pth|pt|ckpt|th)$", "", Path(source.name).stem)) or "weights"
    with tempfile.TemporaryDirectory(prefix="sfp-viz-") as folder:
        path = Path(folder) / f"{title}{suffix}"
        path.write_bytes(source.getbuffer())
        model = load_model(path, explore=True, **options)
    before = {stored.digest for stored in model_store.stored_models(loaders.home())}
    key = model_store.import_model(loaders.home(), replace(model, name=model.name or title))
    if key in before:  # it may be said to be another network now
        loaders.forget()
    return key


def clean(name: str, *, keep: str = "-") -> str:
    """An untrusted name reduced to at most 60 letters, digits, '_' and characters of ``keep``.

    Args:
        name: The name.
        keep: Further characters that are allowed.
    """
    return re.sub(rf"[^A-Za-z0-9_{re.escape(keep)}]+", "_", name)[:60].strip("._-")


def show(key: str) -> None:
    open_network(key)
    st.rerun()
