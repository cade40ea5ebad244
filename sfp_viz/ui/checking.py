"""Before and after: what was measured on the unpruned network and on the pruned one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.core.edits import Edits
from sfp_viz.core.recipe import Recipe
from sfp_viz.core.training import Measured
from sfp_viz.ui import loaders


@dataclass(frozen=True)
class Sizes:
    """One network: ``macs`` of one image and ``params``, counted on the module itself;
    ``file_bytes`` of its safetensors file; ``latency`` and ``accuracy`` measured here."""

    macs: int
    params: int
    file_bytes: int
    latency: Measured
    accuracy: Measured | None


@dataclass(frozen=True)
class Check:
    """The two networks side by side, and the images they were measured with ('' for none)."""

    before: Sizes
    after: Sizes
    data: str


def check(key: str, recipe: Recipe, edits: Edits | None, data: str) -> Check:
    """Prune on a copy and measure both. Takes seconds: on a click. Raises SfpError."""
    return Check(unpruned(key, data), one_shot(key, recipe, edits, data), data)


@st.cache_resource(max_entries=16, show_spinner=False)
def unpruned(key: str, data: str) -> Sizes:
    """Sizes of the network as it was opened."""
    return _sizes(loaders.model(key), loaders.accuracy(key, data) if data else None)


@st.cache_resource(max_entries=64, show_spinner=False)
def one_shot(key: str, recipe: Recipe, edits: Edits | None, data: str) -> Sizes:
    """Sizes of the network pruned by a recipe, before any training."""
    accuracy = loaders.pruned_accuracy(key, recipe, edits, data) if data else None
    return _sizes(loaders.pruned(key, recipe, edits, data), accuracy)


def accuracy(found: Measured) -> tuple[float, tuple[float, float] | None]:
    """Accuracy 0..1 and its interval, of a measurement that has them."""
    return found.accuracy or 0.0, found.interval


def file_of(model: Any) -> bytes:
    """The model as a safetensors file."""
    from sfp_viz.nets.saved import save_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(model, path)
        return path.read_bytes()


def _sizes(model: Any, accuracy: Measured | None) -> Sizes:
    from sfp_viz.nets.measure import count_macs, count_params, measure_latency

    return Sizes(
        macs=count_macs(model),
        params=count_params(model),
        file_bytes=len(file_of(model)),
        latency=measure_latency(model),
        accuracy=accuracy,
    )
