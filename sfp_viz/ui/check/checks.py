"""Before and after: what was measured on the unpruned network and on the pruned one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.plan.plan import Plan
from sfp_viz.errors import DataError
from sfp_viz.ui import progress_line
from sfp_viz.ui.cached import loaders, planned, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.progress_line import Progress


@dataclass(frozen=True)
class Sizes:
    """The measurements of one network.

    Attributes:
        macs: MACs of one image, counted on the module.
        params: Parameters, counted on the module.
        file_bytes: Size of its safetensors file.
        latency: Measured on this machine.
        accuracy: Measured on test images; None without images.
    """

    macs: int
    params: int
    file_bytes: int
    latency: Measured
    accuracy: Measured | None


@dataclass(frozen=True)
class Check:
    """The measurements of both networks.

    Attributes:
        before: Of the unpruned network.
        after: Of the pruned network.
        data: Name of the images, '' for none.
    """

    before: Sizes
    after: Sizes
    data: str


def measure_check(subject: Subject, *, progress: Progress | None = None) -> Check:
    """Prune a copy of the network, and measure the network and the copy. Takes seconds: on a click.

    Args:
        subject: The network, the request and the images.
        progress: Is called with a line about each step.

    Raises:
        SfpError: there is no plan, or the images cannot be read.
    """
    report = progress or (lambda line: None)
    key, data = subject.model, subject.data
    pruned.model(key, subject.request, data, progress=progress)
    report("Measuring the unpruned network")
    before = unpruned_sizes(
        key, data, lambda done: report(f"Measuring the unpruned network: {done}")
    )
    report("Measuring the pruned network")
    after = pruned_sizes(subject, lambda done: report(f"Measuring the pruned network: {done}"))
    return Check(before, after, data)


@st.cache_resource(max_entries=16, show_spinner=False)
def unpruned_sizes(key: str, data: str, _progress: Progress | None = None) -> Sizes:
    """The measurements of the unpruned network; cached.

    Args:
        key: Name of a sample, or digest of a stored network.
        data: Name of the images, '' for none.
        _progress: Called with the number of images measured so far, in words.
    """
    accuracy = pruned.accuracy(key, data, _progress=_progress) if data else None
    return _sizes(loaders.model(key), accuracy)


@st.cache_resource(max_entries=64, show_spinner=False)
def pruned_sizes(subject: Subject, _progress: Progress | None = None) -> Sizes:
    """The measurements of the pruned network before any fine-tuning; cached.

    Args:
        subject: The network, the request and the images.
        _progress: Called with the number of images measured so far, in words.
    """
    key, request, data = subject.model, subject.request, subject.data
    accuracy = pruned.pruned_accuracy(key, request, data, progress=_progress) if data else None
    return _sizes(pruned.model(key, request, data), accuracy)


def stages(subject: Subject) -> tuple[tuple[tuple[str, Measured], ...], tuple[str, ...]]:
    """Accuracy after each stage of pruning, and a sentence about each layer that could not be
    compensated. Takes seconds: on a click.

    Raises:
        SfpError: there is no plan, or the images are not on this machine.
    """
    plan = planned.plan(subject.model, subject.request)
    with progress_line.reporter() as progress:
        return _stages(subject.model, plan.hash, subject.data, plan, progress)


@st.cache_resource(max_entries=16, show_spinner="Measuring after each stage")
def _stages(key: str, plan_hash: str, data: str, _plan: Plan, _progress: Progress):
    from sfp_viz.nets.evaluation.prune_stages import stages as measure_stages

    train, test = (pruned.data_or_none(data, split) for split in ("train", "test"))
    if train is None or test is None:
        raise DataError(f"The data '{data}' are not on this machine, so nothing was measured.")
    stages = tuple(measure_stages(loaders.model(key), _plan, train, test, progress=_progress))
    notes = tuple(note for stage in stages for note in stage.notes)
    return tuple((stage.name, stage.measured()) for stage in stages), notes


def accuracy(measured: Measured) -> tuple[float, tuple[float, float] | None]:
    """Accuracy 0..1 and its interval, of a measurement that has them."""
    return measured.accuracy or 0.0, measured.interval


def file_of(model: Any) -> bytes:
    """The model as a safetensors file, with the stripes that its layers leave out."""
    from sfp_viz.nets.stripes.striped_file import save_as_it_runs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_as_it_runs(model, path)
        return path.read_bytes()


def _sizes(model: Any, accuracy: Measured | None) -> Sizes:
    from sfp_viz.nets.evaluation.measure import count_macs, count_params, measure_latency

    return Sizes(
        macs=count_macs(model),
        params=count_params(model),
        file_bytes=len(file_of(model)),
        latency=measure_latency(model),
        accuracy=accuracy,
    )
