"""Clusters of like filters, and what a person may do to them (methods.md G.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.similarity import live, rows_as_compared
from sfp_viz.errors import PlanError, RecipeError

Labels = tuple[int, ...]
_SAME = 1e-5  # squared distance, as a share of the mean squared norm, of rows taken as equal
_MANY = 256  # above so many points three starts instead of ten, for speed


@dataclass(frozen=True)
class Clusters:
    """The cluster of each unit: 0..k-1, numbered by their first unit; dead filters have -1."""

    labels: Labels
    method: str
    k: int


def clusters(
    matrix: np.ndarray, *, method: str = "kmeans", k: int, seed: int = 0, kind: str = "cosine"
) -> Clusters:
    """Cluster the rows of a filter matrix into ``k`` clusters.

    ``method``: 'kmeans' (k-means++, 10 starts, 3 above 256 filters) or 'agglomerative' (Ward), on
    rows as ``kind`` compares them: unit rows for cosine, which makes it spherical. Dead rows are
    left out; rows that are equal stay together, so there are never more clusters than different
    rows.
    """
    if method not in ("kmeans", "agglomerative"):
        raise RecipeError(f"'{method}' is no clustering. Choose kmeans or agglomerative.")
    alive = np.flatnonzero(live(matrix))
    labels = np.full(len(matrix), -1)
    if len(alive):
        labels[alive] = _cluster(rows_as_compared(matrix[alive], kind), method, k, seed)
    found = canonical(labels)
    return Clusters(found, method, max(found, default=-1) + 1)


def canonical(labels: Iterable[int]) -> Labels:
    """The same clusters, numbered 0..k-1 in the order of their first unit; -1 stays."""
    names: dict[int, int] = {}
    return tuple(-1 if label < 0 else names.setdefault(int(label), len(names)) for label in labels)


def merge(labels: Labels, units: Iterable[int]) -> Labels:
    """The clusters that hold ``units`` become one."""
    touched = {labels[unit] for unit in _living(labels, units)}
    target = min(touched)
    return canonical(target if label in touched else label for label in labels)


def split(labels: Labels, units: Iterable[int]) -> Labels:
    """``units`` become a cluster of their own."""
    return _placed(labels, units, max(labels) + 1)


def move(labels: Labels, units: Iterable[int], cluster: int) -> Labels:
    """``units`` go to ``cluster``, a label that exists."""
    if cluster < 0 or cluster not in labels:
        raise PlanError(f"There is no cluster {cluster}; the last is {max(labels)}.")
    return _placed(labels, units, cluster)


def representative(labels: Labels, importance: np.ndarray, cluster: int) -> int:
    """The most important unit of ``cluster``, the first of equals."""
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


def _cluster(rows: np.ndarray, method: str, k: int, seed: int) -> np.ndarray:
    """Labels of live rows; equal rows are one point with a weight."""
    from scipy.sparse.csgraph import connected_components

    gram = (rows @ rows.T).astype(np.float64)
    squares = np.diag(gram)
    apart = squares[:, None] + squares[None, :] - 2 * gram
    distinct, which = connected_components(apart <= _SAME * squares.mean(), directed=False)
    k = max(1, min(k, distinct))
    if k == distinct:
        return which
    if k == 1:
        return np.zeros(len(rows), dtype=int)
    _, first, weights = np.unique(which, return_index=True, return_counts=True)
    points = _turned(rows[first], gram[np.ix_(first, first)])
    if method == "kmeans":
        return _kmeans(points, weights, k, seed)[which]
    return _ward(_turned(rows, gram), k)


def _turned(rows: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """The same points in no more dimensions than there are points: all distances stay."""
    if rows.shape[1] <= len(rows):
        return rows.astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    return vectors * np.sqrt(np.maximum(values, 0))


def _kmeans(points: np.ndarray, weights: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    starts = 10 if len(points) <= _MANY else 3
    model = KMeans(k, n_init=starts, random_state=seed)  # pyright: ignore[reportArgumentType]
    return model.fit_predict(points, sample_weight=weights)


def _ward(points: np.ndarray, k: int) -> np.ndarray:
    from scipy.cluster.hierarchy import cut_tree, linkage

    return cut_tree(linkage(points, "ward"), n_clusters=k)[:, 0]
