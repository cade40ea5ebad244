"""Redundancy by function: can the other filters make up for this one in the next layer?

Backward elimination on the covariance of activations, weighted by the next layers' filters. It
generalises similarity: of two identical filters either is made up for entirely. Our design
(docs/method.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BLOCK = 64  # removals whose rank-one steps are applied in one matrix product


@dataclass(frozen=True)
class Elimination:
    """``order``: units in the order in which they go, the most redundant first. ``errors``:
    ``errors[m]`` is the share of the next layer's input energy (0..1) that the best linear refit
    cannot make up for when m units are gone; it never falls; ``errors[0]`` is 0."""

    order: tuple[int, ...]
    errors: tuple[float, ...]


def eliminate(
    covariance: np.ndarray, readers_gram: np.ndarray, *, ridge: float = 1e-3
) -> Elimination:
    """Greedily remove the unit whose loss the kept ones best make up for.

    With C = ``covariance`` and R = ``readers_gram``, keeping K leaves the error

        E(K) = tr(R (S - S[:, K] S[K, K]^-1 S[K, :])),   S = C + r I,  r = ridge * tr(C) / n

    of the next layers' output, their other inputs unchanged; 0 with all units, because the ridge
    is in every block. ``errors`` are E(K) / tr(R C), at most 1. Removing i from K raises E by
    G_ii / P_ii with P = S[K, K]^-1, G = B R B^T and B = P S[K, :]; both change by a step of rank
    one or two, so the whole order costs O(n^3): a second or two for 2048 units.

    Args:
        covariance: Of the activations, C [n, n].
        readers_gram: Gram matrix of the next layers' weights, R [n, n].
        ridge: Ridge as a share of the mean variance, above 0.
    """
    n = len(covariance)
    total = float(np.sum(readers_gram * covariance)) or 1.0
    shift = ridge * float(np.trace(covariance)) / max(n, 1) + 1e-12
    # Regress the ridged targets, so that nothing is lost while everything is kept.
    precision = np.linalg.inv(covariance + shift * np.eye(n))
    gram = np.array(readers_gram, dtype=np.float64)
    kept = np.arange(n)
    order: list[int] = []
    errors = [0.0]
    while len(kept):
        gone, rises, precision, gram = _block(precision, gram)
        order += [int(unit) for unit in kept[gone]]
        for rise in rises:
            errors.append(errors[-1] + max(0.0, rise) / total)
        kept = np.delete(kept, gone)
    return Elimination(tuple(order), tuple(min(1.0, e) for e in errors))


def _block(
    precision: np.ndarray, gram: np.ndarray
) -> tuple[list[int], list[float], np.ndarray, np.ndarray]:
    """Up to 64 removals: which, the error each adds, and P and G of those that are left.

    P and G stay as they were inside the block; only their diagonals, and the row of the unit
    that goes, are brought up to date: P - sum d c c^T and G - sum (c h^T + h c^T).
    """
    many = min(_BLOCK, len(precision))
    columns, halves = np.zeros((2, many, len(precision)))
    scales = np.zeros(many)
    p_now, g_now = np.diag(precision).copy(), np.diag(gram).copy()
    gone: list[int] = []
    rises: list[float] = []
    for step in range(many):
        done_c, done_h = columns[:step], halves[:step]
        rise = g_now / np.maximum(p_now, 1e-300)
        rise[gone] = np.inf
        i = int(np.argmin(rise))
        row = precision[i] - (scales[:step] * done_c[:, i]) @ done_c
        gram_row = gram[i] - done_c[:, i] @ done_h - done_h[:, i] @ done_c
        column = row / row[i]
        half = gram_row - 0.5 * gram_row[i] * column
        columns[step], halves[step], scales[step] = column, half, row[i]
        p_now -= row[i] * column**2
        g_now -= 2 * column * half
        gone.append(i)
        rises.append(float(rise[i]))
    left = np.delete(np.arange(len(precision)), gone)
    cut, keep = np.ix_(left, left), columns[:, left]
    mixed = keep.T @ halves[:, left]
    return gone, rises, precision[cut] - (keep.T * scales) @ keep, gram[cut] - mixed - mixed.T
