"""Cached answers of the floors below, for pages: values only, shared by all browser sessions.

What is returned is shared and must not be written to. No torch on the way to a Network or a plan;
``model``, ``pruned`` and ``accuracy`` load it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from sfp_viz.core.analysis import Analysis, GroupAnalysis
from sfp_viz.core.cost import Cost, cost_of_widths
from sfp_viz.core.counting import Measure, measure_of
from sfp_viz.core.edits import Edits
from sfp_viz.core.evidence import Evidence, needs
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan import Plan
from sfp_viz.core.recipe import Recipe
from sfp_viz.core.training import Measured
from sfp_viz.errors import DataError, PlanError, SfpError
from sfp_viz.nets import samples, store
from sfp_viz.runs import folder
from sfp_viz.ui.state import Session

if TYPE_CHECKING:
    from sfp_viz.core.trust import Trust

_RESULTS = ("sensitivity.json", "latency.json", "observations.safetensors", "trust.json")


def home() -> Path:
    """The workspace on disk."""
    return folder.home()


@st.cache_resource(max_entries=16, show_spinner=False)
def network(key: str) -> Network:
    """The reading of a sample or a stored network; raises ModelError when there is none."""
    if key in samples.sample_names():
        return samples.sample_network(key)
    return store.stored_network(home(), key)


def digest(key: str) -> str:
    """The digest of the weights behind ``key``."""
    return network(key).digest


@st.cache_resource(max_entries=4, show_spinner="Loading the network")
def model(key: str):
    """The torch Model of a sample or a stored network. Loads torch."""
    from sfp_viz.nets.open import load_model

    if key in samples.sample_names():
        return load_model(key)
    return store.load_stored(home(), key)


def evidence(key: str) -> Evidence:
    """What finished studies found out about the network; parts that there are none of are None."""
    return _evidence(str(home()), digest(key), _studies(home()))[0]


def evidence_problem(key: str) -> str:
    """Why what studies found cannot be read; '' where it can."""
    return _evidence(str(home()), digest(key), _studies(home()))[1]


@st.cache_resource(max_entries=32, show_spinner=False)
def _evidence(place: str, weights: str, version: tuple) -> tuple[Evidence, str]:
    from sfp_viz.runs.evidence import find_evidence

    try:
        return find_evidence(Path(place), weights), ""
    except SfpError as problem:
        return Evidence(), str(problem)


def losses(key: str) -> dict[str, np.ndarray]:
    """Points of accuracy lost with m units of a group gone, by group; estimated from the measured
    sensitivity. {} without one."""
    return _losses(str(home()), key, _studies(home()))


@st.cache_resource(max_entries=32, show_spinner=False)
def _losses(place: str, key: str, version: tuple) -> dict[str, np.ndarray]:
    from sfp_viz.core.sensitivity import losses as curve

    found = evidence(key).sensitivity
    return {name: curve(found, name) for name in found.right} if found else {}


def trust(key: str) -> Trust | None:
    """The newest measured trust in suggestions for the network. Raises SfpError on a bad file."""
    return _trust(str(home()), digest(key), _studies(home()))


@st.cache_resource(max_entries=32, show_spinner=False)
def _trust(place: str, weights: str, version: tuple) -> Trust | None:
    from sfp_viz.runs.evidence import find_trust

    return find_trust(Path(place), weights)


def _studies(place: Path) -> tuple[tuple[str, int], ...]:
    """The finished studies of the workspace with their times: changes when one is added."""
    found = []
    try:
        folders = [entry.path for entry in os.scandir(place / "runs")]
    except OSError:
        return ()
    for path in folders:
        for name in _RESULTS:
            try:
                os.stat(f"{path}/{name}")
                written = os.stat(f"{path}/result.json").st_mtime_ns
            except OSError:
                continue
            found.append((f"{path}/{name}", written))
    return tuple(sorted(found))


def _version(recipe: Recipe) -> tuple:
    """What the answers to ``recipe`` depend on besides the weights: a part of cache keys."""
    return _studies(home()) if needs(recipe) else ()


def edits_of(session: Session) -> Edits:
    """The edits made by hand on the session's network; empty ones when there are none."""
    return session.edits or Edits(digest=network(session.model).digest)


def group_of(session: Session) -> FilterGroup | None:
    """The group on the screen: the session's, else the free one that repeats itself most.

    That is the one of lowest Kernel Dispersion among those with at least five filters. None for
    a network without groups.
    """
    read = network(session.model)
    named = next((group for group in read.groups if group.name == session.group), None)
    if named:
        return named
    found = dispersions_or_none(session.model, session.recipe)
    many = [group for group in read.free if group.size >= 5 and group.name in found]
    if many:
        return min(many, key=lambda group: found[group.name])
    return next(iter((*read.free, *read.groups)), None)


def dispersions(key: str, recipe: Recipe) -> dict[str, float]:
    """Kernel Dispersion 0..1 of each group that the recipe may cut; computed.

    From the weights; for the kind 'activation' from observations, RecipeError without them.
    """
    seen = recipe.dispersion == "activation"
    version = _studies(home()) if seen else ()
    return _dispersions(key, _only(recipe, "similarity", "dispersion", "coupled"), version)


@st.cache_resource(max_entries=32, show_spinner="Comparing the filters")
def _dispersions(key: str, recipe: Recipe, version: tuple) -> dict[str, float]:
    from sfp_viz.core.analysis import dispersions as compute

    return compute(network(key), recipe, evidence(key))


def dispersions_or_none(key: str, recipe: Recipe) -> dict[str, float]:
    """The same; {} where the evidence for it is missing."""
    try:
        return dispersions(key, recipe)
    except SfpError:
        return {}


def suggestion(key: str, recipe: Recipe, edits: Edits | None = None) -> dict[str, int]:
    """Filters each group keeps so that the recipe's target holds, with ratios by hand as given.

    Raises PlanError when the target cannot be reached, RecipeError when evidence is missing.
    """
    return _suggestion(key, recipe, edits, _version(recipe))


@st.cache_resource(max_entries=256, show_spinner=False)
def _suggestion(key: str, recipe: Recipe, edits: Edits | None, version: tuple) -> dict[str, int]:
    from sfp_viz.core.ratios import suggest

    spread = dispersions(key, recipe) if recipe.allocation == "dispersion" else {}
    return dict(suggest(network(key), spread, recipe, edits, evidence(key)))


def kept_or_whole(key: str, recipe: Recipe, edits: Edits | None = None) -> dict[str, int]:
    """The suggestion; every group whole where there is none (target or evidence)."""
    try:
        return suggestion(key, recipe, edits)
    except SfpError:
        return {group.name: group.size for group in network(key).groups}


@dataclass(frozen=True)
class Budget:
    """Cost before and after, both computed; ``after`` is None where ``problem`` says why."""

    before: Cost
    after: Cost | None
    kept: dict[str, int]
    problem: str = ""


def budget(key: str, recipe: Recipe, edits: Edits | None = None) -> Budget:
    """What the recipe and edits would leave of the network, from channel counts alone."""
    read = network(key)
    before = cost_of_widths(read, {})
    try:
        kept = suggestion(key, recipe, edits)
        return Budget(before, cost_of_widths(read, kept), kept)
    except SfpError as problem:
        return Budget(before, None, {}, str(problem))


def group_analysis(key: str, group: str, recipe: Recipe, kept: int) -> GroupAnalysis:
    """Similarity, clusters, dispersion and importance of one group."""
    return _group_analysis(key, group, recipe, kept, _version(recipe))


def saved(key: str, goal: str, kept: Mapping[str, int]) -> float:
    """Share of a goal that the widths ``kept`` save, up to 1; computed, for latency estimated."""
    count = _measure(key, goal, _studies(home()) if goal == "latency" else ())
    before = count(count.sizes)
    pairs = zip(count.names, count.sizes, strict=True)
    now = np.array([kept.get(name, size) for name, size in pairs])
    return 1 - count(now) / before if before else 0.0


@st.cache_resource(max_entries=64, show_spinner=False)
def _measure(key: str, goal: str, version: tuple) -> Measure:
    return measure_of(network(key), goal, evidence(key).latency)


@st.cache_resource(max_entries=256, show_spinner="Comparing the filters of this layer")
def _group_analysis(
    key: str, group: str, recipe: Recipe, kept: int, version: tuple
) -> GroupAnalysis:
    from sfp_viz.core.analysis import analyze_group

    return analyze_group(network(key), group, recipe, kept, evidence(key))


def analysis(key: str, recipe: Recipe) -> Analysis:
    """The analysis of every group."""
    return _analysis(key, recipe, _version(recipe))


@st.cache_resource(max_entries=16, show_spinner="Clustering the filters of every layer")
def _analysis(key: str, recipe: Recipe, version: tuple) -> Analysis:
    from sfp_viz.core.analysis import analyze

    return analyze(network(key), recipe, evidence(key))


def plan(key: str, recipe: Recipe, edits: Edits | None = None) -> Plan:
    """The exact filters that go. Raises PlanError when the target cannot be reached."""
    return _plan(key, recipe, edits, _version(recipe))


@st.cache_resource(max_entries=64, show_spinner="Choosing the filters")
def _plan(key: str, recipe: Recipe, edits: Edits | None, version: tuple) -> Plan:
    from sfp_viz.core.making import make_plan

    if edits is not None and edits.digest != network(key).digest:
        raise PlanError("The changes by hand belong to another network. Undo them or start anew.")
    return make_plan(network(key), analysis(key, recipe), recipe, edits)


def pruned(key: str, recipe: Recipe, edits: Edits | None = None, data: str = ""):
    """The network physically cut on a copy; with ``data``, calibrated on its training images.

    Takes seconds: call it on a click. Loads torch.
    """
    return _pruned(key, recipe, edits, data, _version(recipe))


@st.cache_resource(max_entries=8, show_spinner=False)
def _pruned(key: str, recipe: Recipe, edits: Edits | None, data: str, version: tuple):
    from sfp_viz.nets.surgery import prune

    images = data_or_none(data, "train") if data else None
    return prune(model(key), plan(key, recipe, edits), calibration=images)


@st.cache_resource(max_entries=16, show_spinner=False)
def latency(key: str) -> Measured:
    """Measured latency of the uncut network on this machine. Takes seconds: on a click."""
    from sfp_viz.nets.measure import measure_latency

    return measure_latency(model(key))


def pruned_latency(key: str, recipe: Recipe, edits: Edits | None) -> Measured:
    """Measured latency of the cut network: its widths count, not what fills them. On a click."""
    from sfp_viz.nets.measure import measure_latency

    return measure_latency(pruned(key, recipe, edits))


def data_or_none(name: str, split: str = "test", limit: int | None = None) -> Any:
    """Images by name, or None when they are not on this machine. Never downloads."""
    from sfp_viz.nets.data import available

    return _data(name, split, limit) if name and available(name, split) else None  # type: ignore[arg-type]


@st.cache_resource(max_entries=4, show_spinner="Reading the images")
def _data(name: str, split: str, limit: int | None) -> Any:
    from sfp_viz.nets.data import load_data

    return load_data(name, split, limit=limit)  # type: ignore[arg-type]


@st.cache_resource(max_entries=64, show_spinner=False)
def accuracy(key: str, data: str, limit: int | None = None) -> Measured:
    """Measured accuracy of the uncut network on the test images. Takes seconds: on a click."""
    from sfp_viz.nets.measure import measure_accuracy

    return measure_accuracy(model(key), _images(data, limit))


def pruned_accuracy(
    key: str, recipe: Recipe, edits: Edits | None, data: str, limit: int | None = None
) -> Measured:
    """Measured one-shot accuracy of the cut, calibrated network. Takes seconds: on a click."""
    return _pruned_accuracy(key, recipe, edits, data, limit, _version(recipe))


@st.cache_resource(max_entries=64, show_spinner=False)
def _pruned_accuracy(
    key: str, recipe: Recipe, edits: Edits | None, data: str, limit: int | None, version: tuple
) -> Measured:
    from sfp_viz.nets.measure import measure_accuracy

    return measure_accuracy(pruned(key, recipe, edits, data), _images(data, limit))


def _images(data: str, limit: int | None):
    images = data_or_none(data, "test", limit)
    if images is None:
        raise DataError(f"The data '{data}' are not on this machine, so nothing was measured.")
    return images


def _only(recipe: Recipe, *names: str) -> Recipe:
    """The recipe with every field at its default but those named: a smaller cache key."""
    return replace(Recipe(), **{n: getattr(recipe, n) for n in names if hasattr(recipe, n)})
