"""What there is to know about every group before a plan: likeness, clusters, dispersion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.bounds import bounds
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import Evidence, check_evidence
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.clusters import Clusters, Rule, clusters
from sfp_viz.core.redundancy.dispersion import dispersion_kind, group_dispersion
from sfp_viz.core.redundancy.importance import importance_in, lead_group
from sfp_viz.core.redundancy.similarity import comparison_matrix, similarity
from sfp_viz.errors import PlanError


@dataclass(frozen=True)
class GroupAnalysis:
    """One group: computed from its weights, or from observations where the recipe asks for them.

    ``similarity`` float32 [units, units]; ``dispersion`` 0..1; ``importance`` float64 [units];
    ``nearest`` the most similar other live unit of each and ``nearest_similarity`` how similar
    it is; -1 and 0 for a dead filter, or where there is no other. ``dead`` says how many are dead.
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

    @property
    def dead(self) -> int:
        return sum(label < 0 for label in self.clusters.labels)


@dataclass(frozen=True)
class Analysis:
    """A network under a recipe.

    ``groups`` holds those that the recipe may cut; ``dispersions`` all that are not protected.
    ``kept`` are the suggested units of every group, without edits; where the target is out of
    reach, the fewest that may stay (``suggest`` and ``make_plan`` raise then). ``evidence`` is
    what was given besides the weights.
    """

    digest: str
    recipe: Recipe
    groups: Mapping[str, GroupAnalysis]
    dispersions: Mapping[str, float]
    kept: Mapping[str, int]
    evidence: Evidence = field(default_factory=Evidence)


def analyze(
    network: Network,
    recipe: Recipe,
    evidence: Evidence | Observations | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Analysis:
    """Analyze every group that the recipe may cut: seconds for a ResNet-50.

    Args:
        network: The reading of a model.
        recipe: How filters are compared, clustered and scored.
        evidence: What the recipe needs besides weights (evidence.needs).
        progress: Is called with a line before each group.

    Raises:
        RecipeError: Evidence that the recipe needs is missing or belongs to other weights.
    """
    if isinstance(evidence, Observations):
        evidence = Evidence(observations=evidence)
    problem = Problem.of(network, Request(recipe), evidence)
    low, high = bounds(problem)
    try:
        kept = allocated_widths(problem)
    except PlanError:
        kept = {g.name: int(n) for g, n in zip(network.groups, low, strict=True)}
    cut = [g.name for g, lo, hi in zip(network.groups, low, high, strict=True) if lo < hi]
    groups = {}
    for number, name in enumerate(cut, 1):
        if progress:
            size = network.group(name).size
            progress(f"Comparing the {size:,} filters of '{name}', {number} of {len(cut)}")
        groups[name] = analyze_group(problem, name, kept[name])
    return Analysis(network.digest, recipe, groups, problem.dispersions, kept, problem.evidence)


def analyze_group(problem: Problem, group_name: str, kept_units: int) -> GroupAnalysis:
    """Analyze one group, with as many clusters as the recipe's rule says.

    share: kappa * ``kept_units``, at least one; one_each: ``kept_units``; threshold, silhouette:
    see clusters.py. With 'pacesetter' the first layer alone speaks for a group of several.

    Args:
        problem: The network, the recipe and the evidence.
        group_name: Name of the group.
        kept_units: Units that it keeps; the number of clusters may depend on it.

    Raises:
        RecipeError: Evidence that the recipe needs is missing or belongs to other weights.
        PlanError: The network has no such group.
    """
    network, recipe = problem.network, problem.recipe
    observations = check_evidence(recipe, problem.evidence, network.digest).observations
    group = network.group(group_name)
    matrix = comparison_matrix(network, lead_group(group, recipe), recipe.similarity, observations)
    group_clusters = _clusters(matrix, recipe, _clusters_for(recipe, kept_units))
    alike = similarity(matrix, recipe.similarity)
    nearest, nearest_similarity = _nearest(alike, group_clusters.labels)
    return GroupAnalysis(
        group=group_name,
        similarity=alike,
        clusters=group_clusters,
        dispersion=group_dispersion(
            network, group, dispersion_kind(recipe, observations), observations
        ),
        importance=importance_in(network, group, recipe, observations),
        nearest=nearest,
        nearest_similarity=nearest_similarity,
    )


def cluster_group(problem: Problem, group_name: str, k: int) -> Clusters:
    """``k`` clusters by hand of one group, by the recipe's similarity and clustering.

    HDBSCAN finds its own number, so that average linkage of the same distances stands in for it.

    Args:
        problem: The network, the recipe and the evidence.
        group_name: Name of the group.
        k: Number of clusters, 1 or more.

    Raises:
        RecipeError: Evidence that the recipe needs is missing or belongs to other weights.
        PlanError: The network has no such group.
    """
    network, recipe = problem.network, problem.recipe
    observations = check_evidence(recipe, problem.evidence, network.digest).observations
    first = lead_group(network.group(group_name), recipe)
    by_hand = replace(recipe, clustering="average") if recipe.clustering == "hdbscan" else recipe
    return _clusters(comparison_matrix(network, first, recipe.similarity, observations), by_hand, k)


def _clusters(matrix: np.ndarray, recipe: Recipe, k: int | Rule) -> Clusters:
    return clusters(matrix, method=recipe.clustering, k=k, seed=recipe.seed, kind=recipe.similarity)


def _clusters_for(recipe: Recipe, kept: int) -> int | Rule:
    if recipe.cluster_rule == "threshold" or recipe.cluster_rule == "silhouette":
        return recipe.cluster_rule
    share = 1.0 if recipe.cluster_rule == "one_each" else recipe.kappa
    return max(1, int(np.floor(share * kept + 0.5)))


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
