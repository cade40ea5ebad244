"""Redundancy by function: can the other filters make up for this one in the next layer?

Backward elimination on the covariance of activations, weighted by the next layers' filters. It
generalises similarity: of two identical filters either is made up for entirely. Our design
(methods.md D.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Elimination:
    """``order``: units in the order in which they go, the most redundant first. ``errors``:
    ``errors[m]`` is the share of the next layer's input energy (0..1) that the best linear refit
    cannot make up for when m units are gone; it never falls; ``errors[0]`` is 0."""

    order: tuple[int, ...]
    errors: tuple[float, ...]


def eliminate(covariance: np.ndarray, reach: np.ndarray, *, ridge: float = 1e-3) -> Elimination:
    """Greedily remove the unit whose loss the kept ones best make up for.

    With activations of covariance C [n, n] and R = reach [n, n] (Gram matrix of the next layers'
    weights), keeping K leaves the error

        E(K) = tr(R (C - C[:, K] (C[K, K] + r I)^-1 C[K, :])),   r = ridge * tr(C) / n

    of the next layers' output, their other inputs unchanged. Removing i from K raises E by
    b_i R b_i / p_ii with P = (C[K, K] + r I)^-1 and b_i row i of P C[K, :]; both are updated by a
    rank-one step, so the whole order costs O(n^3).
    """
    n = len(covariance)
    total = float(np.sum(reach * covariance)) or 1.0
    shift = ridge * float(np.trace(covariance)) / max(n, 1) + 1e-12
    ridged = covariance + shift * np.eye(n)
    precision = np.linalg.inv(ridged)
    # Regress the ridged targets, so that nothing is lost while everything is kept.
    weights = np.eye(n)
    kept = np.arange(n)
    order: list[int] = []
    errors = [0.0]
    for _ in range(n):
        rise = np.einsum("ij,jk,ik->i", weights, reach, weights) / np.diag(precision)
        i = int(np.argmin(rise))
        order.append(int(kept[i]))
        errors.append(errors[-1] + max(0.0, float(rise[i])) / total)
        column = precision[:, i] / precision[i, i]
        weights = np.delete(weights - np.outer(column, weights[i]), i, axis=0)
        precision = precision - np.outer(column, precision[i])
        precision = np.delete(np.delete(precision, i, axis=0), i, axis=1)
        kept = np.delete(kept, i)
    return Elimination(tuple(order), tuple(min(1.0, e) for e in errors))
