"""One score a filter: how much is lost without it (docs/method.md); higher is kept first."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import get_args

import numpy as np

from sfp_viz.core.evidence.observations import SCORES, Observations, require_observations
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.recipe import Criterion, Recipe
from sfp_viz.core.redundancy.similarity import layer_matrix
from sfp_viz.errors import RecipeError


def importance(
    network: Network,
    group: FilterGroup,
    criterion: str = "l1",
    seed: int = 0,
    observations: Observations | None = None,
) -> np.ndarray:
    """Scores of a group's units, float64 [units], 0 or above, of filters W_i [p weights], i of n.

    From weights alone, in O(n p) if nothing else is said:

    - l1: sum |W_i|. 0 or more. Li et al. 2017 (Pruning Filters for Efficient ConvNets).
    - l2: ||W_i||. 0 or more. He et al. 2018 (Soft Filter Pruning, with p = 2).
    - fpgm: sum over j of ||W_i - W_j||, small near the middle of all. 0 or more. O(n^2 p). He et
      al. 2019 (Geometric Median), the paper's formula: all filters of the layer count.
    - bn_scale: |gamma_i| of the BatchNorm after it. 0 or more. O(n). Liu et al. 2017 (Network
      Slimming). RecipeError where there is none.
    - group_magnitude: (sum over parts of ||part_i||^2) / parts, the parts all that goes with a
      unit: filters, norms, the next layers' slices. 0 or more. O(all their weights). Fang et al.
      2023 (DepGraph), p = 2, as in Torch-Pruning; that depthwise filters count is our reading.
    - random: uniform in 0..1, drawn from ``seed`` and the group's name. O(n). No source: the floor
      of comparisons.

    From ``observations``, RecipeError without (taylor, hrank and chip: formulas in
    nets/evaluation/activation_scores.py):

    - taylor: squared slope of the loss by a gate on the unit. 0 or more. One backward pass for
      each batch of labeled images. Molchanov et al. 2019.
    - hrank: mean rank of the unit's maps. 0 to the shorter side of a map. One decomposition a map
      of 128 images. Lin et al. 2020.
    - chip: what the unit's maps add to the nuclear norm of all. 0 or more. One decomposition a
      layer of each of 128 images. Sui et al. 2021.
    - reconstruction: the unit's place in the order in which the others can make up for it. 0 to
      n - 1. One look at images, then O(n^3). Our design: elimination.py.

    l1, l2, fpgm and bn_scale of several layers: the mean of their scores, each divided by the
    layer's mean (our reading).

    Args:
        network: The network.
        group: One of its groups.
        criterion: One of the above.
        seed: For 'random'.
        observations: What was observed, for the criteria that need it.

    Raises:
        RecipeError: The criterion is not known, needs observations that are missing, a BatchNorm
            that a layer has not, or what an old reading does not say.
    """
    if criterion == "random":
        name = int.from_bytes(hashlib.sha256(group.name.encode()).digest()[:8], "big")
        return np.random.default_rng([seed, name]).random(group.size)
    if criterion in SCORES:
        checked = require_observations(observations, f"The criterion '{criterion}'")
        return np.array(checked.score(criterion, group.name), dtype=np.float64)
    if criterion == "reconstruction":
        checked = require_observations(observations, "The criterion 'reconstruction'")
        return np.argsort(checked.elimination(group.name).order).astype(np.float64)
    if criterion == "group_magnitude":
        return _group_magnitude(network, group)
    scores = [_layer_scores(network, group, layer, criterion) for layer in group.layers]
    if len(scores) == 1:
        return scores[0]
    return np.mean([score / (score.mean() or 1.0) for score in scores], axis=0)


def lead_group(group: FilterGroup, recipe: Recipe) -> FilterGroup:
    """The layers that speak for a group: with 'pacesetter' the first alone.

    Args:
        group: The group.
        recipe: How coupled groups are pruned.
    """
    return replace(group, layers=group.layers[:1]) if recipe.coupled == "pacesetter" else group


def importance_in(
    network: Network, group: FilterGroup, recipe: Recipe, observations: Observations | None = None
) -> np.ndarray:
    """``importance`` as ``recipe`` asks for it, of the layers that speak for the group; but
    'group_magnitude' counts all that goes with a unit, whoever sets the pace.

    Args:
        network: The network.
        group: One of its groups.
        recipe: Its criterion, seed, and how coupled groups are pruned.
        observations: What was observed, for the criteria that need it.

    Raises:
        RecipeError: See ``importance``.
    """
    scored = group if recipe.criterion == "group_magnitude" else lead_group(group, recipe)
    return importance(network, scored, recipe.criterion, recipe.seed, observations)


def ranks(scores: np.ndarray) -> np.ndarray:
    """Scores as ranks in 0..1, 1 the highest; of equals the first is ranked higher."""
    order = np.lexsort((np.arange(len(scores)), -np.asarray(scores)))
    places = np.empty(len(scores))
    places[order] = np.linspace(1, 0, len(scores)) if len(scores) > 1 else 1.0
    return places


def _group_magnitude(network: Network, group: FilterGroup) -> np.ndarray:
    along = network.along.get(group.name)
    if along is None:
        raise RecipeError(
            f"The reading of '{network.name}' does not say what goes along with the filters of "
            f"'{group.name}': it is of an older version, or the group is left whole. Open the "
            "model's file again, or choose another criterion, such as l1."
        )
    matrices = [layer_matrix(network, group, layer) for layer in group.layers]
    own = sum(np.square(matrix, dtype=np.float64).sum(axis=1) for matrix in matrices)
    return (own + along.squares) / (len(matrices) + along.parts)


def _layer_scores(network: Network, group: FilterGroup, layer: str, criterion: str) -> np.ndarray:
    if criterion == "bn_scale":
        gamma = network.layer(layer).bn_scale
        if gamma is None:
            raise RecipeError(
                f"No BatchNorm follows '{layer}', so its filters have no BatchNorm scale. "
                "Choose another criterion, such as l1."
            )
        return np.abs(gamma.astype(np.float64))[group.filters_by_unit(layer)].sum(axis=1)
    rows = layer_matrix(network, group, layer)
    if criterion == "l1":
        return np.abs(rows).sum(axis=1, dtype=np.float64)
    if criterion == "l2":
        return np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
    if criterion == "fpgm":
        return _distance_sums(rows.astype(np.float64))
    known = ", ".join(get_args(Criterion))
    raise RecipeError(f"'{criterion}' is no criterion. Choose one of: {known}.")


def _distance_sums(rows: np.ndarray) -> np.ndarray:
    gram = rows @ rows.T
    squares = np.diag(gram)
    return np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0)).sum(axis=1)
