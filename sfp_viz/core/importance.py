"""One score a filter: how much is lost without it (methods.md D.1); higher is kept first."""

from __future__ import annotations

import hashlib

import numpy as np

from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.similarity import layer_matrix
from sfp_viz.errors import RecipeError


def importance(
    network: Network, group: FilterGroup, criterion: str = "l1", seed: int = 0
) -> np.ndarray:
    """Scores of a group's units, float64 [units], 0 or above.

    l1: sum of absolute weights (Li et al. 2017). l2: norm. fpgm: sum of distances to the other
    filters (He et al. 2019). bn_scale: absolute gamma of the BatchNorm after it (Liu et al.
    2017); RecipeError where there is none. random: drawn from ``seed`` and the group's name.
    Several layers: the mean of their scores, each divided by the layer's mean.
    """
    if criterion == "random":
        name = int.from_bytes(hashlib.sha256(group.name.encode()).digest()[:8], "big")
        return np.random.default_rng([seed, name]).random(group.size)
    scores = [_layer_scores(network, group, layer, criterion) for layer in group.layers]
    if len(scores) == 1:
        return scores[0]
    return np.mean([score / (score.mean() or 1.0) for score in scores], axis=0)


def ranks(scores: np.ndarray) -> np.ndarray:
    """Scores as ranks in 0..1, 1 the highest; of equals the first is ranked higher (G.4)."""
    order = np.lexsort((np.arange(len(scores)), -np.asarray(scores)))
    places = np.empty(len(scores))
    places[order] = np.linspace(1, 0, len(scores)) if len(scores) > 1 else 1.0
    return places


def _layer_scores(network: Network, group: FilterGroup, layer: str, criterion: str) -> np.ndarray:
    if criterion == "bn_scale":
        gamma = network.layer(layer).bn_scale
        if gamma is None:
            raise RecipeError(
                f"No BatchNorm follows '{layer}', so its filters have no BatchNorm scale. "
                "Choose another criterion, such as l1."
            )
        return np.abs(gamma.astype(np.float64)).reshape(group.repeats, group.size).sum(axis=0)
    rows = layer_matrix(network, group, layer)
    if criterion == "l1":
        return np.abs(rows).sum(axis=1, dtype=np.float64)
    if criterion == "l2":
        return np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
    if criterion == "fpgm":
        return _distance_sums(rows.astype(np.float64))
    raise RecipeError(f"'{criterion}' is no criterion. Choose l1, l2, fpgm, bn_scale or random.")


def _distance_sums(rows: np.ndarray) -> np.ndarray:
    gram = rows @ rows.T
    squares = np.diag(gram)
    return np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0)).sum(axis=1)
