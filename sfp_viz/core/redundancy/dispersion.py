"""Kernel Dispersion: how spread the filters of a group are (docs/method.md, our reading).

The paper's formula was not available to us; docs/method.md, 'Kernel Dispersion', compares the
candidates.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sfp_viz.core.evidence.evidence import Evidence, check_evidence
from sfp_viz.core.evidence.observations import Observations, require_observations
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.redundancy.similarity import inner_products, layer_matrix, live, rows_as_compared
from sfp_viz.errors import RecipeError


def kernel_dispersion(matrix: np.ndarray, kind: str = "nearest") -> float:
    """Kernel Dispersion of the rows, 0..1: 1 as spread as random directions, 0 all duplicates.

    nearest: mean distance 1 - cos to the nearest other filter, divided by what random directions
    of the same number and length have; a dead filter counts as a duplicate. A single live filter
    has no neighbor and counts as spread. effective_rank, mean and, for a covariance instead of
    filters, activation: see below.

    Args:
        matrix: Filters as rows [units, features]; for 'activation' a covariance [units, units].
        kind: 'nearest', 'effective_rank', 'mean' or 'activation'.

    Raises:
        RecipeError: The kind is not known.
    """
    if kind == "effective_rank":
        return effective_rank(matrix)
    if kind == "mean":
        return mean_distance(matrix)
    if kind == "activation":
        return activation_spread(matrix)
    if kind != "nearest":
        raise RecipeError(
            f"'{kind}' is no dispersion. Choose nearest, effective_rank, mean or activation."
        )
    units, features = matrix.shape
    alive = live(matrix)
    count = int(alive.sum())
    if count < 2:
        return count / units
    rows = rows_as_compared(matrix[alive])
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    spread = float(np.maximum(1 - cosines.max(axis=1), 0).sum()) / units
    chance = random_spread(units, features)
    return float(np.clip(spread / chance, 0, 1)) if chance > 1e-9 else float(spread > 1e-9)


@lru_cache(maxsize=4096)
def random_spread(units: int, features: int) -> float:
    """Expected distance 1 - cos from a random direction to the nearest of ``units`` - 1 others.

    The cosine t of two random directions in p dimensions has (t + 1) / 2 ~ Beta((p - 1) / 2,
    (p - 1) / 2), and the others are independent given the first, so that with its distribution
    function F the expectation is the integral of F(t) ** (units - 1) over -1..1, exactly.

    Args:
        units: Number of directions, 1 or more.
        features: Their dimensions, 1 or more.
    """
    from scipy.special import betainc

    if features == 1:
        return 2.0 * 0.5 ** (units - 1)
    reach = min(1.0, 12 / np.sqrt(features))  # beyond it F is 0 or 1 to 15 digits
    cosines = np.linspace(-reach, reach, 4001)
    half = (features - 1) / 2
    below = betainc(half, half, (cosines + 1) / 2) ** (units - 1)
    return float(np.trapezoid(below, cosines) + 1 - reach)


def effective_rank(matrix: np.ndarray) -> float:
    """exp(entropy of the eigenvalues of V V^T / n) / n for unit rows V, 0..1.

    The number of directions that the filters really use (Roy and Vetterli 2007), as a share of
    all n, dead ones included; at most features / n.
    """
    alive = live(matrix)
    if not alive.any():
        return 0.0
    rows = rows_as_compared(matrix[alive]).astype(np.float64)
    small = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    values = np.maximum(np.linalg.eigvalsh(small / len(rows)), 0)
    values = values[values > 1e-12] / values.sum()
    return float(np.clip(np.exp(-(values * np.log(values)).sum()) / len(matrix), 0, 1))


def mean_distance(matrix: np.ndarray) -> float:
    """Mean of 1 - cos over all pairs, cut off at 1; pairs with a dead filter count 0.

    The naive measure, for comparison: long rows are nearly orthogonal, so it lies near 1 in every
    layer and tells them hardly apart (docs/method.md).
    """
    units, alive = len(matrix), live(matrix)
    count = int(alive.sum())
    if count < 2:
        return count / units
    rows = rows_as_compared(matrix[alive]).astype(np.float64)
    cosines = np.square(rows.sum(axis=0)).sum() - count  # over ordered pairs of different rows
    return float(np.clip((count * (count - 1) - cosines) / (units * (units - 1)), 0, 1))


def activation_spread(covariance: np.ndarray) -> float:
    """1 - mean over units of the largest |r| with another unit, 0..1; a constant unit counts 0.

    r is Pearson's correlation of what the units feed forward. The sign does not matter, for the
    next layer can take either; chance correlation over so many positions is next to 0, so that
    nothing is divided out. Our reading. A single unit that varies counts as spread.
    """
    units, alive = len(covariance), live(covariance, "activation")
    if int(alive.sum()) < 2:
        return int(alive.sum()) / units
    correlations = np.abs(inner_products(covariance[np.ix_(alive, alive)], "activation"))
    np.fill_diagonal(correlations, 0)
    return float((1 - correlations.max(axis=1)).sum() / units)


def group_dispersion(
    network: Network,
    group: FilterGroup,
    kind: str = "nearest",
    observations: Observations | None = None,
) -> float:
    """Kernel Dispersion of a group: the mean over its layers, weighted by their weights.

    activation: of the whole group, as observed; a group whose channels no layer reads directly
    could not be observed and counts as spread (1).

    Args:
        network: The network.
        group: One of its groups.
        kind: See ``kernel_dispersion``.
        observations: What was observed, for 'activation'.

    Raises:
        RecipeError: 'activation' without observations, or an unknown kind.
    """
    if kind == "activation":
        checked = require_observations(observations, "The Kernel Dispersion of activations")
        covariance = checked.covariance.get(group.name)
        return 1.0 if covariance is None else activation_spread(covariance)
    matrices = [layer_matrix(network, group, layer) for layer in group.layers]
    return float(
        np.average(
            [kernel_dispersion(matrix, kind) for matrix in matrices],
            weights=[matrix.size for matrix in matrices],
        )
    )


def dispersions(
    network: Network, recipe: Recipe, evidence: Evidence | None = None
) -> dict[str, float]:
    """Kernel Dispersion 0..1 of every group that may be cut, by name, in network order.

    'activation' without observations, which only a recipe that does not share out by dispersion may
    have, is 'nearest'.

    Args:
        network: The network.
        recipe: Its kind of dispersion.
        evidence: What is known besides the weights; None for nothing.

    Raises:
        RecipeError: Evidence that the recipe needs is missing or belongs to other weights.
    """
    observations = check_evidence(recipe, evidence, network.digest).observations
    kind = dispersion_kind(recipe, observations)
    return {g.name: group_dispersion(network, g, kind, observations) for g in network.free}


def dispersion_kind(recipe: Recipe, observations: Observations | None) -> str:
    """The recipe's kind of dispersion; 'nearest' in place of 'activation' without observations.

    Args:
        recipe: The recipe.
        observations: What was observed, or None.
    """
    is_unobserved = recipe.dispersion == "activation" and observations is None
    return "nearest" if is_unobserved else recipe.dispersion
