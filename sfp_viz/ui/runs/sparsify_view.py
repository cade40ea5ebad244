"""A sparse training on the page: its layers as filters are pruned, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from sfp_viz.core.cost.cost import Cost, cost
from sfp_viz.core.network import Network
from sfp_viz.core.training.history import Refresh
from sfp_viz.errors import SfpError
from sfp_viz.figures.sparsity import sparsity_history
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import SparsifyRequest, read_refreshes, read_sparsify_request
from sfp_viz.text.numbers import change, count, percent, size
from sfp_viz.text.sparse_training import METHODS
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.components.thinning import thinning

ACTIVATION_HELP = (
    "Peak activation memory: the largest input and output of one layer for one image, in "
    "float32. A small device needs it in addition to the weights."
)


@dataclass(frozen=True)
class SparsePhase:
    """The sparse phase of a run: what was requested, and its refreshes so far."""

    request: SparsifyRequest
    refreshes: tuple[Refresh, ...]

    @property
    def finished(self) -> bool:
        """Whether the phase is over."""
        return bool(self.refreshes) and self.refreshes[-1].step >= self.refreshes[-1].steps


def sparse_phase(run: Run) -> SparsePhase:
    """Read the sparse phase from the folder of ``run``. Raises RunError if it is not readable."""
    file = run.path / "refreshes.jsonl"
    stat = file.stat() if file.is_file() else None
    return _sparse_phase(run.path, (stat.st_mtime_ns, stat.st_size) if stat else (0, 0))


@st.cache_data(max_entries=8, show_spinner=False)
def _sparse_phase(path: Path, stamp: tuple[int, int]) -> SparsePhase:
    return SparsePhase(read_sparsify_request(path), read_refreshes(path))


def thinning_charts(run: Run, *, still: bool) -> None:
    """Draw the layers over the epochs and the charts below them.

    Args:
        run: The run.
        still: Whether no clock runs on the page.
    """
    with problems.catch():
        phase, network = sparse_phase(run), _network(run)
        if network is None:
            st.caption("The unpruned network of this run is no longer in the workspace.")
            return
        if not phase.refreshes:
            _no_refresh(run, phase.request)
            return
        history = sparsity_history(network, phase.refreshes, phase.request.settings)
        active = not run.over and not phase.finished
        thinning(history, key="thinning", active=active, still=still)
        st.caption(_measured_on(run, phase))


def numbers(run: Run) -> None:
    """Draw the numbers of the sparse phase, for a run without any of its fine-tuning."""
    with problems.catch():
        phase, network = sparse_phase(run), _network(run)
        if network is None or not phase.refreshes:
            return
        newest, unpruned = phase.refreshes[-1], cost(network)
        with st.container(horizontal=True):
            tested = [r.test_accuracy for r in phase.refreshes if r.test_accuracy is not None]
            if tested:
                stopped = "When stopped" if run.over else "Current accuracy"
                st.metric("Accuracy" if phase.finished else stopped, percent(tested[-1]))
            _costs(newest, unpruned)


def _costs(newest: Refresh, unpruned: Cost) -> None:
    st.metric("MACs", count(newest.macs), **_delta(newest.macs, unpruned.macs))
    st.metric("Params", count(newest.params), **_delta(newest.params, unpruned.params))
    st.metric(
        "Activation memory", size(newest.activation_bytes),
        **_delta(newest.activation_bytes, unpruned.peak_activation_bytes),
        help=ACTIVATION_HELP,
    )  # fmt: skip


def _delta(after: int, before: int) -> dict:
    return {"delta": change(before, after), "delta_color": "off", "delta_arrow": "off"}


def _no_refresh(run: Run, request: SparsifyRequest) -> None:
    method = METHODS[request.settings.method]
    if run.over:
        st.caption(f"{method}. The run ended before the first refresh.")
        return
    steps = request.settings.refresh
    st.caption(f"{method}. The layers appear here after the first {steps} steps.")


def _network(run: Run) -> Network | None:
    """The unpruned network of ``run``; None if the workspace no longer has it."""
    for key in (run.facts.get("model"), run.facts.get("digest")):
        try:
            network = loaders.network(str(key))
        except SfpError:
            continue
        if network.digest == run.facts.get("digest"):
            return network
    return None


def _measured_on(run: Run, phase: SparsePhase) -> str:
    method = phase.request.settings.method
    images = next((refresh.test_images for refresh in phase.refreshes if refresh.test_images), 0)
    text = f"{METHODS[method]}. "
    if images:
        text += (
            f"Accuracy measured on {images:,} test images of {problems.plain(run.data)}, with the "
            "pruned weights at 0. "
        )
    text += "MACs, params and activation memory computed; loss measured in training."
    if method == "stripes":
        text += " MACs do not include pruned stripes; the latency is measured at the end."
    return text
