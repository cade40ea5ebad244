"""What is cut and measured on a click, and the images for it: cached, slow, and with torch."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import DataError
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.progress_line import Progress


def model(key: str, request: Request, data: str = "", *, progress: Progress | None = None):
    """The network physically cut on a copy; with ``data``, calibrated on its training images.

    Takes seconds: call it on a click. ``progress`` gets a line about each step. Loads torch.
    """
    return _prune(key, request, data, evidence.version(request.recipe), progress)[0]


def report(key: str, request: Request, data: str):
    """How ``model`` was made up for what went (a PruneReport); its fits are measured
    on test images of ``data`` too."""
    return _prune(key, request, data, evidence.version(request.recipe))[1]


@st.cache_resource(max_entries=8, show_spinner=False)
def _prune(
    key: str, request: Request, data: str, version: tuple, _progress: Progress | None = None
):
    from sfp_viz.nets.pruning.prune import prune_with_report

    images, test = (data_or_none(data, split) if data else None for split in ("train", "test"))
    plan = planned.plan(key, request, progress=_progress)
    return prune_with_report(
        loaders.model(key), plan, calibration=images, held_out=test, progress=_progress
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def latency(key: str) -> Measured:
    """Measured latency of the uncut network on this machine. Takes seconds: on a click."""
    from sfp_viz.nets.evaluation.measure import measure_latency

    return measure_latency(loaders.model(key))


def pruned_latency(key: str, request: Request) -> Measured:
    """Measured latency of the cut network: its widths count, not what fills them. On a click."""
    from sfp_viz.nets.evaluation.measure import measure_latency

    return measure_latency(model(key, request))


def data_or_none(name: str, split: str = "test", limit: int | None = None) -> Any:
    """Images by name, or None when they are not on this machine. Never downloads."""
    from sfp_viz.nets.data.datasets import available

    return _data(name, split, limit) if name and available(name, split) else None  # type: ignore[arg-type]


@st.cache_resource(max_entries=4, show_spinner="Reading the images")
def _data(name: str, split: str, limit: int | None) -> Any:
    from sfp_viz.nets.data.datasets import load_data

    return load_data(name, split, limit=limit)  # type: ignore[arg-type]


@st.cache_resource(max_entries=64, show_spinner=False)
def accuracy(
    key: str, data: str, limit: int | None = None, _progress: Progress | None = None
) -> Measured:
    """Measured accuracy of the uncut network on the test images. Takes seconds: on a click.
    ``_tell`` hears how many images were seen."""
    from sfp_viz.nets.evaluation.measure import measure_accuracy

    return measure_accuracy(loaders.model(key), _images(data, limit), _progress)


def pruned_accuracy(
    key: str,
    request: Request,
    data: str,
    limit: int | None = None,
    *,
    progress: Progress | None = None,
) -> Measured:
    """Measured one-shot accuracy of the cut, calibrated network. Takes seconds: on a click.
    ``progress`` hears how many images were seen."""
    version = evidence.version(request.recipe)
    return _pruned_accuracy(key, request, data, limit, version, progress)


@st.cache_resource(max_entries=64, show_spinner=False)
def _pruned_accuracy(
    key: str,
    request: Request,
    data: str,
    limit: int | None,
    version: tuple,
    _progress: Progress | None = None,
) -> Measured:
    from sfp_viz.nets.evaluation.measure import measure_accuracy

    return measure_accuracy(model(key, request, data), _images(data, limit), _progress)


def _images(data: str, limit: int | None):
    images = data_or_none(data, "test", limit)
    if images is None:
        raise DataError(f"The data '{data}' are not on this machine, so nothing was measured.")
    return images
