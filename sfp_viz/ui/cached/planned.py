"""Suggestions, analyses and plans, cached and shared by all browser sessions: never written to.

No torch on the way to a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import Cost, cost_of_widths
from sfp_viz.core.cost.objective import Objective, objective_of
from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import Analysis, GroupAnalysis
from sfp_viz.errors import PlanError, SfpError
from sfp_viz.text.plan.feasibility import error_text
from sfp_viz.ui.cached import evidence, loaders
from sfp_viz.ui.progress_line import Progress
from sfp_viz.ui.session.state import Session


def group_of(session: Session) -> FilterGroup | None:
    """The group on the screen: the session's, else the most redundant group that can be pruned.

    That is the one with the lowest Kernel Dispersion among those of at least five filters; a
    convolution if there is one, as its kernels can be shown. None for a network without groups.
    """
    network = loaders.network(session.model)
    selected = next((group for group in network.groups if group.name == session.group), None)
    if selected:
        return selected
    dispersions = dispersions_or_empty(session.model, session.recipe)
    candidates = [group for group in network.free if group.size >= 5 and group.name in dispersions]
    convs = [group for group in candidates if not network.layer(group.layers[0]).neurons]
    if candidates:
        return min(convs or candidates, key=lambda group: dispersions[group.name])
    return next(iter((*network.free, *network.groups)), None)


def dispersions(key: str, recipe: Recipe) -> dict[str, float]:
    """Kernel Dispersion 0..1 of each group that the recipe may prune; computed from the weights, or
    from the image evidence if the recipe measures it on activations.

    Args:
        key: Name of a sample, or digest of a stored network.
        recipe: The recipe.

    Raises:
        RecipeError: The evidence that the recipe needs is missing.
    """
    from_images = recipe.dispersion == "activation"
    version = evidence.studies(loaders.home()) if from_images else ()
    return _dispersions(key, _with_only(recipe, "similarity", "dispersion", "coupled"), version)


@st.cache_resource(max_entries=32, show_spinner="Comparing the filters")
def _dispersions(key: str, recipe: Recipe, version: tuple) -> dict[str, float]:
    from sfp_viz.core.redundancy.dispersion import dispersions as compute

    return compute(loaders.network(key), recipe, evidence.evidence(key))


def dispersions_or_empty(key: str, recipe: Recipe) -> dict[str, float]:
    """Like ``dispersions``, but {} if the evidence is missing.

    Args:
        key: Name of a sample, or digest of a stored network.
        recipe: The recipe.
    """
    try:
        return dispersions(key, recipe)
    except SfpError:
        return {}


def problem(key: str, request: Request) -> Problem:
    """The request with the network and its evidence.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
    """
    spread = dispersions_or_empty(key, request.recipe)
    return Problem(loaders.network(key), request, evidence.evidence(key), spread)


def allocated_widths(key: str, request: Request) -> dict[str, int]:
    """Filters that each group keeps so that the target is met, with the manual ratios as set.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.

    Raises:
        PlanError: The target cannot be reached.
        RecipeError: The evidence that the recipe needs is missing.
    """
    return _allocated_widths(key, _cache_key(request), evidence.version(request.recipe))


@st.cache_resource(max_entries=256, show_spinner=False)
def _allocated_widths(key: str, request: Request, version: tuple) -> dict[str, int]:
    from sfp_viz.core.allocation.allocate import allocated_widths as allocate_units

    spread = dispersions(key, request.recipe) if request.recipe.allocation == "dispersion" else {}
    network = loaders.network(key)
    return dict(allocate_units(Problem(network, request, evidence.evidence(key), spread)))


def widths_or_unpruned(key: str, request: Request) -> dict[str, int]:
    """Like ``allocated_widths``, but all filters of every group if the target cannot be reached or
    evidence is missing.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
    """
    try:
        return allocated_widths(key, request)
    except SfpError:
        return {group.name: group.size for group in loaders.network(key).groups}


@dataclass(frozen=True)
class PlannedCost:
    """The cost of a plan, computed.

    Attributes:
        before: Of the unpruned network.
        after: Of the pruned network; None if there is no plan.
        kept: Units kept by group.
        problem: Why there is no plan, in a sentence.
    """

    before: Cost
    after: Cost | None
    kept: dict[str, int]
    problem: str = ""


def cost(key: str, request: Request) -> PlannedCost:
    """The cost before and after pruning, from channel counts alone.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
    """
    network = loaders.network(key)
    before = cost_of_widths(network, {})
    try:
        kept = allocated_widths(key, request)
        return PlannedCost(before, cost_of_widths(network, kept), kept)
    except SfpError as problem:
        return PlannedCost(before, None, {}, error_text(problem))


def group_analysis(key: str, group: str, recipe: Recipe, kept: int) -> GroupAnalysis:
    """Similarity, clusters, dispersion and importance of one group.

    Args:
        key: Name of a sample, or digest of a stored network.
        group: Name of the group.
        recipe: The recipe.
        kept: Filters to keep, on which the number of clusters depends.
    """
    return _group_analysis(key, group, recipe, kept, evidence.version(recipe))


def reduction(key: str, goal: str, kept: Mapping[str, int]) -> float:
    """Share of a cost that the plan saves, up to 1: computed, and estimated for latency.

    Args:
        key: Name of a sample, or digest of a stored network.
        goal: The cost, as in Recipe.goal.
        kept: Units kept by group; groups that are missing keep all.
    """
    objective = _objective(key, goal, evidence.studies(loaders.home()) if goal == "latency" else ())
    before = objective(objective.sizes)
    pairs = zip(objective.names, objective.sizes, strict=True)
    units = np.array([kept.get(name, size) for name, size in pairs])
    return 1 - objective(units) / before if before else 0.0


@st.cache_resource(max_entries=64, show_spinner=False)
def _objective(key: str, goal: str, version: tuple) -> Objective:
    return objective_of(loaders.network(key), goal, evidence.evidence(key).latency)


@st.cache_resource(max_entries=256, show_spinner="Comparing the filters of this layer")
def _group_analysis(
    key: str, group: str, recipe: Recipe, kept: int, version: tuple
) -> GroupAnalysis:
    from sfp_viz.core.selection.analysis import analyze_group

    problem = Problem(loaders.network(key), Request(recipe), evidence.evidence(key))
    return analyze_group(problem, group, kept)


def analysis(key: str, recipe: Recipe, *, progress: Progress | None = None) -> Analysis:
    """The analysis of every group.

    Args:
        key: Name of a sample, or digest of a stored network.
        recipe: The recipe.
        progress: Called with a line about each group that is analyzed, if nothing is cached.
    """
    return _analysis(key, recipe, evidence.version(recipe), progress)


@st.cache_resource(max_entries=16, show_spinner="Clustering the filters of every layer")
def _analysis(
    key: str, recipe: Recipe, version: tuple, _progress: Progress | None = None
) -> Analysis:
    from sfp_viz.core.selection.analysis import analyze

    return analyze(loaders.network(key), recipe, evidence.evidence(key), progress=_progress)


def plan(key: str, request: Request, *, progress: Progress | None = None) -> Plan:
    """The plan: which filters are pruned.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
        progress: Called with a line about each step.

    Raises:
        PlanError: The target cannot be reached, or the edits are of another network.
        RecipeError: The evidence that the recipe needs is missing.
    """
    return _plan(key, _cache_key(request), evidence.version(request.recipe), progress)


def hash_or_none(key: str, request: Request) -> str:
    """The hash of the plan; '' if the target cannot be reached or evidence is missing.

    Args:
        key: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
    """
    try:
        return plan(key, request).hash
    except SfpError:
        return ""


@st.cache_resource(max_entries=64, show_spinner="Choosing the filters")
def _plan(key: str, request: Request, version: tuple, _progress: Progress | None = None) -> Plan:
    from sfp_viz.core.selection.planner import make_plan

    if request.edits and request.edits.digest != loaders.network(key).digest:
        raise PlanError("The manual changes belong to another network. Undo them, or start again.")
    analyses = analysis(key, request.recipe, progress=_progress)
    if _progress:
        _progress("Choosing the filters to prune")
    return make_plan(
        loaders.network(key), analyses, request.recipe, request.edits, warn=False
    )  # the bars say what is not rounded


def _cache_key(request: Request) -> Request:
    """The request as a cache key: without manual edits it is the same for all weights."""
    return Request.of(request.recipe, request.edits)


def _with_only(recipe: Recipe, *names: str) -> Recipe:
    """The recipe with every field at its default except those named: a smaller cache key."""
    return replace(Recipe(), **{n: getattr(recipe, n) for n in names if hasattr(recipe, n)})
