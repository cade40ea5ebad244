"""k-means on a Gram matrix: the same clusters as on the points, whatever their dimensions.

With G the inner products of n points, the squared distance of point i to the mean of cluster c is
G_ii - 2 mean over j in c of G_ij + mean over j, l in c of G_jl, so that a round costs O(n^2).
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 50
_FEW = 256


def kmeans(gram: np.ndarray, weights: np.ndarray, k: int, *, seed: int, starts: int) -> np.ndarray:
    """Labels 0..k-1 of n points, int64 [n].

    Lloyd's rounds from ``starts`` draws of k-means++ (Arthur and Vassilvitskii 2007; the best of a
    few candidates a step); the draw with the least weighted sum of squared distances wins. An empty
    cluster takes the point farthest from its center, so that all k are used.

    Args:
        gram: Inner products of the points, float64 [n, n].
        weights: How often each point counts [n], above 0.
        k: Number of clusters, 1 to n.
        seed: Of the draws.
        starts: Number of draws, 1 or more.
    """
    squares = np.diag(gram)
    apart = np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0)
    draw = np.random.default_rng(seed)
    best, least = np.zeros(len(gram), dtype=np.int64), np.inf
    for _ in range(starts):
        first = apart[:, _centers(apart, weights, k, draw)].argmin(axis=1)
        labels, spread = _rounds(gram, weights, first, k)
        if spread < least * (1 - 1e-12):
            best, least = labels, spread
    return best


def _centers(
    apart: np.ndarray, weights: np.ndarray, k: int, draw: np.random.Generator
) -> list[int]:
    """k points, each drawn by its squared distance to those before it."""
    candidates = 2 + int(np.log(k))
    chosen = [int(draw.choice(len(apart), p=weights / weights.sum()))]
    near = apart[chosen[0]]
    for _ in range(k - 1):
        sums = np.cumsum(weights * near)
        tried = np.searchsorted(sums, draw.random(candidates) * sums[-1], side="right")
        tried = np.minimum(tried, len(apart) - 1)
        nearer = np.minimum(near, apart[tried])
        best = int((nearer @ weights).argmin())
        chosen.append(int(tried[best]))
        near = nearer[best]
    return chosen


def _rounds(
    gram: np.ndarray, weights: np.ndarray, labels: np.ndarray, k: int
) -> tuple[np.ndarray, float]:
    """Lloyd's rounds until nothing moves: labels and the weighted sum of squared distances."""
    places = np.arange(len(gram))
    away = _to_centers(gram, weights, labels, k)
    for _ in range(_ROUNDS):
        labels = _refilled(away, weights, labels, k)
        away = _to_centers(gram, weights, labels, k)
        nearest = away.argmin(axis=1)
        moves = away[places, nearest] < away[places, labels] - 1e-12
        if not moves.any():
            break
        labels = np.where(moves, nearest, labels)
    labels = _refilled(away, weights, labels, k)
    away = _to_centers(gram, weights, labels, k)
    return labels, float(weights @ np.maximum(away[places, labels], 0))


def _to_centers(gram: np.ndarray, weights: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Squared distances [n, k] to the means of the clusters; inf to an empty one."""
    places = np.arange(len(gram))
    mass = np.bincount(labels, weights, k)
    share = weights / mass[labels]
    cross = _sparse(labels, share, k) @ gram
    own = np.bincount(labels, share * cross[labels, places], k)
    away = np.diag(gram)[:, None] - 2 * cross.T + own[None, :]
    away[:, mass == 0] = np.inf
    return away


def _sparse(labels: np.ndarray, share: np.ndarray, k: int):
    """The matrix [k, n] that takes means of clusters; few points are quicker as a full one."""
    places = np.arange(len(labels))
    if len(labels) > _FEW:
        from scipy.sparse import csr_matrix

        return csr_matrix((share, (labels, places)), shape=(k, len(labels)))
    full = np.zeros((k, len(labels)))
    full[labels, places] = share
    return full


def _refilled(away: np.ndarray, weights: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Every empty cluster takes the farthest point of a cluster that has others."""
    counts = np.bincount(labels, minlength=k)
    if counts.all():
        return labels
    labels = labels.copy()
    far = weights * away[np.arange(len(labels)), labels]
    for cluster in np.flatnonzero(counts == 0):
        point = int(np.where(counts[labels] > 1, far, -np.inf).argmax())
        counts[labels[point]] -= 1
        labels[point], counts[cluster] = cluster, 1
        far[point] = 0.0
    return labels
