"""Pruned networks, their measurements and the images for them: cached, slow, and with torch."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import DataError
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.progress_line import Progress


def model(key: str, request: Request, data: str = "", *, progress: Progress | None = None):
    """The pruned torch Model, a copy. Takes seconds and loads torch: call it on a click.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
        data: Name of the images whose training split is used for calibration, '' for none.
        progress: Called with a line about each step.

    Raises:
        SfpError: There is no plan, or the images cannot be read.
    """
    return _prune(key, request, data, evidence.version(request.recipe), progress)[0]


def report(key: str, request: Request, data: str):
    """How the pruned network of ``model`` was compensated (a PruneReport); the errors of the fits
    are also measured on test images.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
        data: Name of the images.
    """
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
    """Latency of the unpruned network, measured on this machine. Slow: call it on a click."""
    from sfp_viz.nets.evaluation.measure import measure_latency

    return measure_latency(loaders.model(key))


def pruned_latency(key: str, request: Request) -> Measured:
    """Latency of the pruned network, measured on this machine without calibration: it depends on
    the widths alone. Takes seconds: call it on a click.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
    """
    from sfp_viz.nets.evaluation.measure import measure_latency

    return measure_latency(model(key, request))


def data_or_none(name: str, split: str = "test", limit: int | None = None) -> Any:
    """The images of a dataset; None if they are not on this machine. Nothing is downloaded.

    Args:
        name: Name of the images.
        split: 'train' or 'test'.
        limit: Number of images to read at most, None for all.
    """
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
    """Accuracy of the unpruned network, measured on the test images. Takes seconds: call it on a
    click.

    Args:
        key: Name of a sample, or digest of a stored network.
        data: Name of the images, '' for none.
        limit: Number of test images to use at most, None for all.
        _progress: Called with the number of images measured so far, in words.

    Raises:
        DataError: The images are not on this machine.
    """
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
    """One-shot accuracy of the pruned, calibrated network, measured on the test images. Takes
    seconds: call it on a click.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
        data: Name of the images, '' for none.
        limit: Number of test images to use at most, None for all.
        progress: Called with the number of images measured so far, in words.

    Raises:
        DataError: The images are not on this machine.
    """
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
