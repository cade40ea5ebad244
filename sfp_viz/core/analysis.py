"""What there is to know about every group before a plan: likeness, clusters, dispersion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.clusters import Clusters, clusters
from sfp_viz.core.dispersion import group_dispersion
from sfp_viz.core.importance import importance
from sfp_viz.core.network import Network
from sfp_viz.core.ratios import bounds, suggest
from sfp_viz.core.recipe import Recipe
from sfp_viz.core.similarity import filter_matrix, similarity
from sfp_viz.errors import PlanError


@dataclass(frozen=True)
class GroupAnalysis:
    """One group: computed from its weights alone.

    ``similarity`` float32 [units, units]; ``dispersion`` 0..1; ``importance`` float64 [units];
    ``nearest`` the most similar other live unit of each and ``nearest_similarity`` how similar
    it is; -1 and 0 for a dead filter, or where there is no other.
    """

    group: str
    similarity: np.ndarray
    clusters: Clusters
    dispersion: float
    importance: np.ndarray
    nearest: tuple[int, ...]
    nearest_similarity: tuple[float, ...]

    def __post_init__(self) -> None:
        self.similarity.setflags(write=False)
        self.importance.setflags(write=False)


@dataclass(frozen=True)
class Analysis:
    """A network under a recipe.

    ``groups`` holds those that the recipe may cut; ``dispersions`` all that are not protected.
    ``kept`` are the suggested units of every group, without edits; where the target is out of
    reach, the fewest that may stay (``suggest`` and ``make_plan`` raise then).
    """

    digest: str
    recipe: Recipe
    groups: Mapping[str, GroupAnalysis]
    dispersions: Mapping[str, float]
    kept: Mapping[str, int]


def analyze(network: Network, recipe: Recipe) -> Analysis:
    """Analyze every group that the recipe may cut: seconds for a ResNet-50, no images needed."""
    spread = dispersions(network, recipe)
    low, high = bounds(network, recipe)
    try:
        kept = suggest(network, spread, recipe)
    except PlanError:
        kept = {g.name: int(n) for g, n in zip(network.groups, low, strict=True)}
    cut = [g.name for g, lo, hi in zip(network.groups, low, high, strict=True) if lo < hi]
    groups = {name: analyze_group(network, name, recipe, kept[name]) for name in cut}
    return Analysis(network.digest, recipe, groups, spread, kept)


def analyze_group(
    network: Network, group_name: str, recipe: Recipe, kept_units: int
) -> GroupAnalysis:
    """Analyze one group; it gets kappa * ``kept_units`` clusters, at least one (G.3)."""
    group = network.group(group_name)
    matrix = filter_matrix(network, group)
    k = max(1, int(np.floor(recipe.kappa * kept_units + 0.5)))
    found = clusters(
        matrix, method=recipe.clustering, k=k, seed=recipe.seed, kind=recipe.similarity
    )
    alike = similarity(matrix, recipe.similarity)
    nearest, how = _nearest(alike, found.labels)
    return GroupAnalysis(
        group=group_name,
        similarity=alike,
        clusters=found,
        dispersion=group_dispersion(network, group, recipe.dispersion),
        importance=importance(network, group, recipe.criterion, recipe.seed),
        nearest=nearest,
        nearest_similarity=how,
    )


def dispersions(network: Network, recipe: Recipe) -> dict[str, float]:
    """Kernel Dispersion of every group that is not protected by the network, in its order."""
    return {g.name: group_dispersion(network, g, recipe.dispersion) for g in network.free}


def _nearest(
    alike: np.ndarray, labels: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    alive = np.array(labels) >= 0
    others = np.where(alive[:, None] & alive[None, :], alike, -np.inf)
    np.fill_diagonal(others, -np.inf)
    best = others.argmax(axis=1)
    value = others[np.arange(len(best)), best]
    has = np.isfinite(value)
    return (
        tuple(int(x) for x in np.where(has, best, -1)),
        tuple(float(x) for x in np.where(has, value, 0)),
    )
