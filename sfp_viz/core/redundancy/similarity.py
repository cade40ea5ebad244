"""Filters as rows of a matrix, and how alike they are (docs/method.md)."""

from __future__ import annotations

import numpy as np

from sfp_viz.core.evidence.observations import Observations, require_observations
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.errors import PlanError, RecipeError

DEAD = 1e-6  # a row is dead when its norm is at most this share of the largest norm


def layer_matrix(network: Network, group: FilterGroup, layer: str) -> np.ndarray:
    """Filters of one layer of the group as float32 rows [units, features].

    With grouped convolutions a row joins the filters of one offset in all conv_groups.

    Args:
        network: The network.
        group: One of its groups.
        layer: Name of one of the group's layers.

    Raises:
        PlanError: The layer has other filters than the group says, or its weights are not finite.
    """
    weight = network.layer(layer).weight
    if not group.fits(layer, len(weight)):
        raise PlanError(
            f"The layer '{layer}' has {len(weight):,} filters, its group '{group.name}' "
            f"{group.width:,}. Read the model again."
        )
    if not np.isfinite(weight).all():
        raise PlanError(
            f"The layer '{layer}' holds weights that are not finite numbers, so its filters "
            "cannot be compared. Train or download the network again."
        )
    rows = np.asarray(weight, np.float32).reshape(len(weight), -1)
    return rows[group.filters_by_unit(layer)].reshape(group.size, -1)


def filter_matrix(network: Network, group: FilterGroup) -> np.ndarray:
    """Filters of a group as float32 rows [units, features].

    One layer: its raw weights. Several layers: each divided by its Frobenius norm, so that none
    outweighs the others, and joined (docs/method.md, 'Filters as rows').

    Args:
        network: The network.
        group: One of its groups.

    Raises:
        PlanError: See ``layer_matrix``.
    """
    matrices = [layer_matrix(network, group, layer) for layer in group.layers]
    if len(matrices) == 1:
        return matrices[0]
    return np.hstack([matrix / (np.linalg.norm(matrix) or 1.0) for matrix in matrices])


def comparison_matrix(
    network: Network,
    group: FilterGroup,
    kind: str = "cosine",
    observations: Observations | None = None,
) -> np.ndarray:
    """What ``kind`` compares: the filter matrix [units, features], or for 'activation' the
    covariance of what the units feed forward [units, units].

    Args:
        network: The network.
        group: One of its groups.
        kind: 'cosine', 'euclidean', 'correlation' or 'activation'.
        observations: What was observed, for 'activation'.

    Raises:
        RecipeError: 'activation' without observations of the group.
        PlanError: See ``layer_matrix``.
    """
    if kind != "activation":
        return filter_matrix(network, group)
    return require_observations(observations, "The similarity of activations").of(group.name)[1]


def live(matrix: np.ndarray, kind: str = "cosine") -> np.ndarray:
    """Which units are not dead, bool [units]: norm above 1e-6 of the largest norm.

    For 'activation', of a covariance: standard deviation above 1e-6 of the largest. A unit that
    always feeds forward the same is dead to the next layer, whatever its weights.

    Args:
        matrix: Filters as rows [units, features], or a covariance [units, units].
        kind: 'activation' for a covariance.
    """
    if kind == "activation":
        norms = np.sqrt(np.maximum(np.diag(matrix), 0))
    else:
        norms = np.linalg.norm(matrix, axis=1)
    return norms > DEAD * norms.max(initial=0.0)


def rows_as_compared(matrix: np.ndarray, kind: str = "cosine") -> np.ndarray:
    """Rows whose plain distances rank the filters as ``kind`` does; float32 [units, features].

    cosine: divided by their norm; correlation: their mean taken off first; euclidean: raw;
    activation: rows with Pearson's correlations as inner products. Dead rows become 0.

    Args:
        matrix: Filters as rows [units, features]; for 'activation' a covariance [units, units].
        kind: 'cosine', 'euclidean', 'correlation' or 'activation'.

    Raises:
        RecipeError: The kind is not known.
    """
    if kind == "activation":
        values, vectors = np.linalg.eigh(inner_products(matrix, kind))
        return (vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32)
    if kind not in ("cosine", "euclidean", "correlation"):
        raise RecipeError(
            f"'{kind}' is no similarity. Choose cosine, euclidean, correlation or activation."
        )
    alive = live(matrix)
    rows = np.where(alive[:, None], matrix, 0).astype(np.float32)
    if kind == "euclidean":
        return rows
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    if kind == "correlation":
        rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = norms <= DEAD * sizes  # all weights equal: no direction is left
    return np.where(flat, 0, rows / np.where(flat, 1, norms)).astype(np.float32)


def inner_products(matrix: np.ndarray, kind: str = "cosine") -> np.ndarray:
    """Inner products of the units as ``kind`` compares them, float64 [units, units].

    For 'activation', of a covariance C: Pearson's correlation C_ij / sqrt(C_ii C_jj), 0 where a
    unit is constant. For 'correlation' a live filter of equal weights, which has no direction,
    stands at right angles to all others: 1 with itself.

    Args:
        matrix: Filters as rows [units, features]; for 'activation' a covariance [units, units].
        kind: 'cosine', 'euclidean', 'correlation' or 'activation'.

    Raises:
        RecipeError: The kind is not known.
    """
    if kind != "activation":
        rows = rows_as_compared(matrix, kind)
        gram = (rows @ rows.T).astype(np.float64)
        if kind == "correlation":
            flat = np.flatnonzero(live(matrix) & (np.diag(gram) == 0))
            gram[flat, flat] = 1
        return gram
    alive = live(matrix, kind)
    spread = np.sqrt(np.where(alive, np.diag(matrix), 1.0))
    correlations = matrix / spread[:, None] / spread[None, :]
    return np.clip(np.where(alive[:, None] & alive[None, :], correlations, 0.0), -1, 1)


def similarity(matrix: np.ndarray, kind: str = "cosine") -> np.ndarray:
    """How alike the units are, float32 [units, units], 1 on the diagonal (docs/method.md).

    cosine, correlation and activation: -1..1, signed, since an activation tells W from -W.
    euclidean: exp(-d^2 / 2m^2) in 0..1, m the median distance of two live filters. A dead unit has
    0 with every other.

    Args:
        matrix: Filters as rows [units, features]; for 'activation' a covariance [units, units].
        kind: 'cosine', 'euclidean', 'correlation' or 'activation'.

    Raises:
        RecipeError: The kind is not known.
    """
    gram = inner_products(matrix, kind).astype(np.float32)
    if kind == "euclidean":
        alive = live(matrix)
        gram = _by_distance(gram, alive)
        gram *= alive[:, None] & alive[None, :]
    else:
        np.clip(gram, -1, 1, out=gram)
    np.fill_diagonal(gram, 1)
    return gram


def distance(similarities: np.ndarray, kind: str = "cosine") -> np.ndarray:
    """Distances that belong to similarities, same shape (docs/method.md).

    cosine, correlation, activation: 1 - s, in 0..2. euclidean: sqrt(-2 ln s), in units of the
    median.

    Args:
        similarities: Of any shape.
        kind: The similarity that they are.
    """
    if kind == "euclidean":
        return np.sqrt(-2 * np.log(np.clip(similarities, 1e-30, 1)))
    return 1 - similarities


def _by_distance(gram: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Gram matrix -> exp(-d^2 / 2m^2), m over the units ``alive``; all rows equal (m = 0) gives 1
    for equal rows."""
    squares = np.diag(gram).astype(np.float32)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0)
    apart[apart < DEAD * squares.max(initial=0.0)] = 0  # rounding of float32
    others = apart[alive[:, None] & alive[None, :] & ~np.eye(len(apart), dtype=bool)]
    middle = float(np.median(others)) if others.size else 0.0
    if middle == 0:
        return (apart == 0).astype(np.float32)
    return np.exp(apart / (-2 * middle)).astype(np.float32)
