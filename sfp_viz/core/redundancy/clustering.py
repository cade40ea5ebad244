"""The clusterings that a recipe can ask for, on inner products and distances (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfp_viz.core.redundancy.kmeans import kmeans

CUT = 0.5  # 'threshold': complete linkage, cut where a cluster's least similarity falls below it
_MANY = 512  # above so many points three starts of k-means instead of ten
_SEVERAL = 128  # above so many points one start for each number that 'silhouette' tries
_LINK = 1e-6  # a weak tie of all filters, so that no spectral graph falls apart


@dataclass(frozen=True)
class Points:
    """Different live filters: inner products ``gram`` and distances ``apart`` [n, n], float64,
    and how many equal filters each stands for, ``weights`` [n]. ``kind`` of similarity."""

    gram: np.ndarray
    apart: np.ndarray
    weights: np.ndarray
    kind: str

    def __len__(self) -> int:
        return len(self.weights)


def labels_of(
    points: Points,
    method: str,
    k: int,
    seed: int,
    starts: int = 0,
    leading: np.ndarray | None = None,
) -> np.ndarray:
    """Cluster of each point; 'hdbscan' finds their number itself.

    Args:
        points: Different live filters.
        method: 'kmeans', 'agglomerative', 'average', 'complete', 'spectral' or 'hdbscan'.
        k: Number of clusters; at most one for each point.
        seed: Of k-means.
        starts: Of k-means; 0 for as many as usual.
        leading: Eigenvectors [n, k or more] that 'spectral' needs not find again.

    Returns:
        Labels 0..k-1, int64 [n].
    """
    if method == "hdbscan":
        return _by_density(points)
    k = max(1, min(k, len(points)))
    if k == len(points):
        return np.arange(k)
    if k == 1:
        return np.zeros(len(points), dtype=np.int64)
    if method == "spectral" and len(points) >= 4:
        leading = _leading(points, k) if leading is None else leading
        rows = leading[:, -k:] / np.linalg.norm(leading[:, -k:], axis=1, keepdims=True).clip(1e-12)
        start = starts or _starts(points)
        return kmeans(rows @ rows.T, points.weights, k, seed=seed, starts=start)
    if method in ("kmeans", "spectral"):
        start = starts or _starts(points)
        return kmeans(points.gram, points.weights, k, seed=seed, starts=start)
    return _merged(_tree(points, "ward" if method == "agglomerative" else method), k)


def count_by_threshold(points: Points) -> int:
    """How many clusters complete linkage leaves where its similarities stay at 0.5 or above."""
    if len(points) < 2:
        return 1
    limit = 1 - CUT
    if points.kind == "euclidean":  # half the median distance
        limit *= float(np.median(points.apart[~np.eye(len(points), dtype=bool)]))
    heights = _tree(points, "complete")[:, 2]
    return len(points) - int((heights <= limit + 1e-9).sum())


def count_by_silhouette(points: Points, method: str, seed: int) -> int:
    """Of six numbers from 2 to n - 1, at most 512, the one with the best mean silhouette.

    Rousseeuw 1987. Undefined below three different filters: each is a cluster then.

    Args:
        points: Different live filters.
        method: How they are clustered.
        seed: Of k-means.
    """
    if len(points) < 3:
        return len(points)
    most = min(len(points) - 1, _MANY)
    tried = np.unique(np.round(np.geomspace(2, most, 6)).astype(int))
    starts = 1 if len(points) > _SEVERAL else 0
    leading = _leading(points, most) if method == "spectral" else None
    values = [
        silhouette(points, labels_of(points, method, int(k), seed, starts, leading)) for k in tried
    ]
    return int(tried[int(np.argmax(values))])


def silhouette(points: Points, labels: np.ndarray) -> float:
    """Mean over filters of (b - a) / max(a, b): a the mean distance inside the own cluster, b to
    the nearest other one; a filter alone in its cluster counts 0.

    Args:
        points: Different live filters.
        labels: Cluster of each, 0..k-1 [n].
    """
    k = int(labels.max()) + 1
    sums = np.stack([points.apart[:, labels == c] @ points.weights[labels == c] for c in range(k)])
    mass = np.bincount(labels, points.weights, k)
    places = np.arange(len(labels))
    inside = sums[labels, places] / np.maximum(mass[labels] - 1, 1e-9)
    means = sums / mass[:, None]
    means[labels, places] = np.inf
    outside = means.min(axis=0)
    value = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.average(np.where(mass[labels] > 1, value, 0), weights=points.weights))


def _starts(points: Points) -> int:
    return 10 if len(points) <= _MANY else 3


def _tree(points: Points, linkage_kind: str) -> np.ndarray:
    """scipy's linkage matrix; Ward works on distances whose squares belong to ``gram``."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    apart = points.apart
    if linkage_kind == "ward":
        squares = np.diag(points.gram)
        apart = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * points.gram, 0))
    return linkage(squareform(apart, checks=False), linkage_kind)


def _merged(tree: np.ndarray, k: int) -> np.ndarray:
    """The clusters left after the first n - k merges of a linkage matrix."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(tree) + 1
    steps = np.arange(n - k)
    ends = tree[: n - k, :2].astype(int)
    rows, columns = np.repeat(n + steps, 2), ends.ravel()
    joined = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(2 * n, 2 * n))
    return connected_components(joined, directed=False)[1][:n]


def _leading(points: Points, k: int) -> np.ndarray:
    """The k leading eigenvectors [n, k], the first last, of the normalized graph of similarities
    (Ng, Jordan and Weiss 2001); similarities below 0 are no ties."""
    from scipy.linalg import eigh

    if points.kind == "euclidean":
        middle = float(np.median(points.apart[~np.eye(len(points), dtype=bool)])) or 1.0
        alike = np.exp(-np.square(points.apart / middle) / 2)
    else:
        alike = np.maximum(1 - points.apart, 0)
    ties = (alike + _LINK) * points.weights[:, None] * points.weights[None, :]
    np.fill_diagonal(ties, 0)
    degree = 1 / np.sqrt(ties.sum(axis=1))
    n = len(points)
    graph = ties * degree[:, None] * degree[None, :]
    return eigh(graph, subset_by_index=(n - k, n - 1))[1]


def _by_density(points: Points) -> np.ndarray:
    """HDBSCAN (Campello et al. 2013), clusters of two or more; each noise point is its own."""
    from sklearn.cluster import HDBSCAN

    several = np.repeat(np.arange(len(points)), np.minimum(points.weights, 2).astype(int))
    if len(points) < 2:
        return np.zeros(len(points), dtype=np.int64)
    model = HDBSCAN(
        min_cluster_size=2,
        min_samples=1,
        metric="precomputed",
        copy=True,  # pyright: ignore[reportArgumentType]
    )
    point_labels = model.fit_predict(points.apart[np.ix_(several, several)])
    first = np.searchsorted(several, np.arange(len(points)))
    labels = point_labels[first]
    noise = labels < 0
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return labels
