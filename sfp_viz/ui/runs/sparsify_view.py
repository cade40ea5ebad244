"""A run that prunes while training on the screen: its layers as they thin out, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from sfp_viz.core.cost.cost import Cost, cost
from sfp_viz.core.network import Network
from sfp_viz.core.training.history import Refresh
from sfp_viz.errors import SfpError
from sfp_viz.figures.sparsity import story
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import SparsifyRequest, read_refreshes, read_sparsify_request
from sfp_viz.text.numbers import change, count, percent, size
from sfp_viz.text.sparse_training import METHODS
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.components.thinning import thinning


@dataclass(frozen=True)
class History:
    """What is known of the first part of a run: what was asked for, and its lines."""

    asked: SparsifyRequest
    lines: tuple[Refresh, ...]

    @property
    def sparse(self) -> bool:
        """Whether the first part is over."""
        return bool(self.lines) and self.lines[-1].step >= self.lines[-1].steps


def history(run: Run) -> History:
    """Read what the run's folder says. Raises RunError where it is not readable."""
    file = run.path / "refreshes.jsonl"
    facts = file.stat() if file.is_file() else None
    return _history(run.path, (facts.st_mtime_ns, facts.st_size) if facts else (0, 0))


@st.cache_data(max_entries=8, show_spinner=False)
def _history(path: Path, stamp: tuple[int, int]) -> History:
    return History(read_sparsify_request(path), read_refreshes(path))


def thins(run: Run, *, still: bool) -> None:
    """The shrinking network and its charts; ``still``: no clock runs on the page."""
    with problems.shown():
        found, network = history(run), _network(run)
        if network is None:
            st.caption("The unpruned network of this run is no longer in the workspace.")
            return
        if not found.lines:
            _soon(run, found.asked)
            return
        told = story(network, found.lines, found.asked.settings)
        going = not run.over and not found.sparse
        thinning(told, key="thinning", going=going, still=still)
        st.caption(_measured_on(run, found))


def numbers(run: Run) -> None:
    """The first part in numbers, while there is nothing of the second."""
    with problems.shown():
        found, network = history(run), _network(run)
        if network is None or not found.lines:
            return
        last, whole = found.lines[-1], cost(network)
        with st.container(horizontal=True):
            right = [one for one in found.lines if one.test_accuracy is not None]
            if right:
                stopped = "When it stopped" if run.over else "Accuracy now"
                label = "Accuracy" if found.sparse else stopped
                st.metric(label, percent(right[-1].test_accuracy or 0))
            _costs(last, whole)


def _costs(last: Refresh, whole: Cost) -> None:
    st.metric("MACs", count(last.macs), **_less(last.macs, whole.macs))
    st.metric("Params", count(last.params), **_less(last.params, whole.params))
    st.metric(
        "Feature maps", size(last.activation_bytes),
        **_less(last.activation_bytes, whole.peak_activation_bytes),
        help="The most memory that one layer's input and output take for one image, in 32-bit "
        "numbers: what a small device needs besides the weights.",
    )  # fmt: skip


def _less(now: int, before: int) -> dict:
    return {"delta": change(before, now), "delta_color": "off", "delta_arrow": "off"}


def _soon(run: Run, asked: SparsifyRequest) -> None:
    method = METHODS[asked.settings.method]
    if run.over:
        st.caption(f"{method}: it ended before its first refresh.")
        return
    st.caption(f"{method}. Its layers appear here after the first {asked.settings.refresh} steps.")


def _network(run: Run) -> Network | None:
    """The unpruned network: as the run's starter names it, else by its weights."""
    for key in (run.facts.get("model"), run.facts.get("digest")):
        try:
            found = loaders.network(str(key))
        except SfpError:
            continue
        if found.digest == run.facts.get("digest"):
            return found
    return None


def _measured_on(run: Run, found: History) -> str:
    images = next((one.test_images for one in found.lines if one.test_images), 0)
    text = f"{METHODS[found.asked.settings.method]}. "
    if images:
        text += (
            f"Accuracy measured on {images:,} test images of {problems.plain(run.data)}, with all "
            "that goes at 0. "
        )
    text += "MACs, params and memory of feature maps computed; loss measured in training."
    if found.asked.settings.method == "stripes":
        text += " MACs are counted as if each stripe ran alone; times are measured at the end."
    return text
