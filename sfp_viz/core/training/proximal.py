"""Proximal operators on rows (filters) and gates.

A proximal step of a penalty P at z is argmin_f P(f) + ||f - z||^2 / 2. For rows it only scales each
row, so these functions take the rows' norms and give a factor for each (docs/method.md). They work
on numpy arrays and torch tensors alike and return what they were given.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_TINY = 1e-30


def shrink_factors(norms: Any, threshold: Any) -> Any:
    """Factor of each row under the l2,1 penalty t sum ||F_i||: max(0, 1 - t / ||Z_i||).

    Rows at or below the threshold become 0 (Lin et al. 2019, the authors' code).

    Args:
        norms: ||Z_i|| [rows], 0 or more.
        threshold: t, 0 or more.
    """
    return (1 - threshold / norms.clip(min=_TINY)).clip(min=0)


def keep_factors(norms: Any, threshold: Any) -> Any:
    """Factor of each row under the l2,0 penalty t #{F_i != 0}: 0 where ||Z_i||^2 <= 2 t, else 1.

    Args:
        norms: ||Z_i|| [rows], 0 or more.
        threshold: t, 0 or more.
    """
    return (norms * norms > 2 * threshold) * (norms * 0 + 1)


def soft_threshold(values: Any, threshold: Any) -> Any:
    """Each value moved towards 0 by its threshold, and 0 where it is smaller: the proximal step of
    a weighted l1 penalty.

    Args:
        values: Of any shape.
        threshold: One number, or an array like ``values``; 0 or more.
    """
    return values * shrink_factors(abs(values), threshold)


def gate_weights(gates: Any) -> Any:
    """Weights u = 1 / (|S| + 0.1) with mean 1, so that small gates are penalized more (our reading;
    reweighted l1 of Candès et al. 2008)."""
    raw = 1 / (abs(gates) + 0.1)
    return raw / raw.mean()


def layer_weight(live: float, target: float) -> float:
    """How strongly a layer is penalized, 1 to 0, as its live share falls to the target's:
    clip((live - target) / (1 - target), 0, 1) (our reading of 'adaptive L1' in Liu and Chen
    2023).

    Args:
        live: Share of the layer that is live, 0..1.
        target: The share to reach, 0..1.
    """
    return float(min(1.0, max(0.0, (live - target) / (1 - target)))) if target < 1 else 0.0


def keep_one(factors: np.ndarray, norms: np.ndarray) -> tuple[np.ndarray, bool]:
    """Keep at least one row.

    Args:
        factors: Factor of each row [rows].
        norms: Norm of each row [rows].

    Returns:
        The factors, and whether all were 0: then that of the row with the largest norm is 1.
    """
    if (factors > 0).any() or not len(factors):
        return factors, False
    kept = np.zeros_like(factors)
    kept[int(np.argmax(norms))] = 1
    return kept, True
