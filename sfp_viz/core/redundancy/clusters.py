"""Clusters of like filters, and what a person may do to them (docs/method.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sfp_viz.core.plan.recipe import Clustering
from sfp_viz.core.redundancy.clustering import (
    Points,
    count_by_silhouette,
    count_by_threshold,
    labels_of,
)
from sfp_viz.core.redundancy.similarity import inner_products, live
from sfp_viz.errors import PlanError, RecipeError

Labels = tuple[int, ...]
Rule = Literal["threshold", "silhouette"]
_SAME = 1e-5  # squared distance, as a share of the mean squared norm, of rows taken as equal


@dataclass(frozen=True)
class Clusters:
    """The cluster of each unit: 0..k-1, numbered by their first unit; dead filters have -1."""

    labels: Labels
    method: str
    k: int


def clusters(
    matrix: np.ndarray,
    *,
    method: str = "kmeans",
    k: int | Rule,
    seed: int = 0,
    kind: str = "cosine",
) -> Clusters:
    """Cluster the rows of a filter matrix (``similarity.comparison_matrix``).

    Dead filters are left out; equal ones are kept together, so there are never more clusters than
    different filters (with 'correlation' those whose weights are all one number are like no other).
    The order of the filters plays no part.

    Args:
        matrix: Rows to cluster [units, features]; for 'activation' a covariance [units, units].
        method: 'kmeans' (k-means++, 10 starts, 3 above 512 filters), 'agglomerative' (Ward),
            'average' or 'complete' linkage, 'spectral' (normalized cuts), or 'hdbscan' (by density;
            it finds its own number, and what it calls noise are clusters of one).
        k: Number of clusters, or a rule: 'threshold', as many as complete linkage has at
            similarities of 0.5 or more, or 'silhouette', the best separated of six numbers.
        seed: Of k-means.
        kind: The similarity whose distances are used; with 'cosine' k-means is spherical.

    Raises:
        RecipeError: The method or the kind is not known.
    """
    known = get_args(Clustering)
    if method not in known:
        raise RecipeError(f"'{method}' is no clustering. Choose one of: {', '.join(known)}.")
    alive = np.flatnonzero(live(matrix, kind))
    labels = np.full(len(matrix), -1)
    if len(alive):
        live_matrix = matrix[np.ix_(alive, alive)] if kind == "activation" else matrix[alive]
        labels[alive] = _cluster(live_matrix, method, k, seed, kind)
    numbered = canonical(labels)
    return Clusters(numbered, method, max(numbered, default=-1) + 1)


def canonical(labels: Iterable[int]) -> Labels:
    """The same clusters, numbered 0..k-1 in the order of their first unit; -1 stays."""
    names: dict[int, int] = {}
    return tuple(-1 if label < 0 else names.setdefault(int(label), len(names)) for label in labels)


def merge(labels: Labels, units: Iterable[int]) -> Labels:
    """The clusters that hold ``units`` become one.

    Args:
        labels: Cluster of each unit, -1 for dead ones.
        units: Units whose clusters to merge; dead ones are ignored.

    Raises:
        PlanError: A unit does not exist, or none of them is alive.
    """
    touched = {labels[unit] for unit in _living(labels, units)}
    target = min(touched)
    return canonical(target if label in touched else label for label in labels)


def split(labels: Labels, units: Iterable[int]) -> Labels:
    """``units`` become a cluster of their own.

    Args:
        labels: Cluster of each unit, -1 for dead ones.
        units: Units to take out of their clusters; dead ones are ignored.

    Raises:
        PlanError: A unit does not exist, or none of them is alive.
    """
    return _placed(labels, units, max(labels) + 1)


def move(labels: Labels, units: Iterable[int], cluster: int) -> Labels:
    """``units`` become members of ``cluster``.

    Args:
        labels: Cluster of each unit, -1 for dead ones.
        units: Units to move; dead ones are ignored.
        cluster: A label that exists.

    Raises:
        PlanError: There is no such cluster or unit, or none of the units is alive.
    """
    if cluster < 0 or cluster not in labels:
        raise PlanError(f"There is no cluster {cluster}; the last is {max(labels)}.")
    return _placed(labels, units, cluster)


def representative(labels: Labels, importance: np.ndarray, cluster: int) -> int:
    """The most important unit of ``cluster``, the first of equals.

    Args:
        labels: Cluster of each unit, -1 for dead ones.
        importance: Importance of each unit [units].
        cluster: A label that exists.

    Raises:
        PlanError: There is no such cluster.
    """
    members = [unit for unit, label in enumerate(labels) if label == cluster]
    if cluster < 0 or not members:
        raise PlanError(f"There is no cluster {cluster}; the last is {max(labels, default=-1)}.")
    return members[int(np.argmax(np.asarray(importance)[members]))]


def _placed(labels: Labels, units: Iterable[int], cluster: int) -> Labels:
    chosen = set(_living(labels, units))
    return canonical(cluster if unit in chosen else label for unit, label in enumerate(labels))


def _living(labels: Labels, units: Iterable[int]) -> list[int]:
    """Units that exist and belong to a cluster; PlanError if there is none."""
    wanted = sorted(set(units))
    if any(not 0 <= unit < len(labels) for unit in wanted):
        raise PlanError(f"The filters here are 0 to {len(labels) - 1}, so {wanted} do not fit.")
    alive = [unit for unit in wanted if labels[unit] >= 0]
    if not alive:
        raise PlanError("Select at least one live filter first; dead ones belong to no cluster.")
    return alive


def _cluster(matrix: np.ndarray, method: str, k: int | Rule, seed: int, kind: str) -> np.ndarray:
    """Labels of live filters in an order of their own, so that their places do not matter."""
    order = _by_content(matrix, kind)
    matrix = matrix[np.ix_(order, order)] if kind == "activation" else matrix[order]
    gram = inner_products(matrix, kind)
    which, points = _points(gram, kind)
    if k == "threshold":
        k = count_by_threshold(points)
    elif k == "silhouette":
        k = count_by_silhouette(points, method, seed)
    labels = np.empty(len(matrix), dtype=np.int64)
    labels[order] = labels_of(points, method, int(k), seed)[which]
    return labels


def _by_content(matrix: np.ndarray, kind: str) -> np.ndarray:
    """An order of the filters that follows from what they are, not from where they stand."""
    if kind == "activation":
        return np.argsort(np.diag(matrix), kind="stable")
    return np.array(sorted(range(len(matrix)), key=lambda row: matrix[row].tobytes()))


def _points(gram: np.ndarray, kind: str) -> tuple[np.ndarray, Points]:
    """The point of each filter, and the points: filters that are equal are one with a weight."""
    from scipy.sparse.csgraph import connected_components

    squares = np.diag(gram)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0)
    _, which = connected_components(apart <= _SAME * squares.mean(), directed=False)
    _, first, weights = np.unique(which, return_index=True, return_counts=True)
    gram, apart = gram[np.ix_(first, first)], apart[np.ix_(first, first)]
    apart = np.sqrt(apart) if kind == "euclidean" else 1 - gram
    apart = np.maximum(apart, 0)
    np.fill_diagonal(apart, 0)
    return which, Points(gram, (apart + apart.T) / 2, weights.astype(np.float64), kind)
