"""Proximal operators on rows (filters) and gates, and the rows that meet a MACs target.

A proximal step of a penalty P at z is argmin_f P(f) + ||f - z||^2 / 2. For rows it only scales
each row, so these functions take the rows' norms and give a factor for each: numpy arrays or
torch tensors, whatever comes in goes out (docs/method.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sfp_viz.core.allocation.strategies import Room, by_threshold
from sfp_viz.core.cost.objective import measure_of
from sfp_viz.core.network import Network
from sfp_viz.errors import PlanError

_TINY = 1e-30


def shrink_factors(norms: Any, threshold: Any) -> Any:
    """Factor of each row under the l2,1 penalty t sum ||F_i||: max(0, 1 - t / ||Z_i||).

    ``norms`` [rows] of Z, 0 or more. Rows at or below the threshold become 0 (Lin et al. 2019,
    the authors' code).
    """
    return (1 - threshold / norms.clip(min=_TINY)).clip(min=0)


def keep_factors(norms: Any, threshold: Any) -> Any:
    """Factor of each row under the l2,0 penalty ``threshold * #{F_i != 0}``: 1, or 0 where
    ||Z_i||^2 <= 2 t. ``norms`` [rows]. Rows that stay are not shrunk."""
    return (norms * norms > 2 * threshold) * (norms * 0 + 1)


def soft_threshold(values: Any, threshold: Any) -> Any:
    """Each value moved towards 0 by its threshold, and 0 where it is smaller: the proximal step
    of a weighted l1 penalty. ``threshold`` is one number or an array like ``values``."""
    return values * shrink_factors(abs(values), threshold)


def gate_weights(gates: Any) -> Any:
    """Weights u = 1 / (|S| + 0.1) with mean 1: small gates are pushed harder (G.10, our reading;
    reweighted l1 of Candès et al. 2008)."""
    raw = 1 / (abs(gates) + 0.1)
    return raw / raw.mean()


def layer_weight(live: float, target: float) -> float:
    """How hard a layer is pushed, 1 to 0, as its live share falls to the target's:
    clip((live - target) / (1 - target), 0, 1) (G.10, our reading of 'adaptive L1')."""
    return float(min(1.0, max(0.0, (live - target) / (1 - target)))) if target < 1 else 0.0


def alive(factors: np.ndarray, norms: np.ndarray) -> tuple[np.ndarray, bool]:
    """``factors`` [rows], and whether all were 0: then the row with the largest norm keeps 1."""
    if (factors > 0).any() or not len(factors):
        return factors, False
    kept = np.zeros_like(factors)
    kept[int(np.argmax(norms))] = 1
    return kept, True


def rows_within(
    network: Network,
    scores: Mapping[str, np.ndarray],
    target_reduction: float,
    *,
    coupled: bool = False,
) -> dict[str, np.ndarray]:
    """Which rows stay so that MACs fall by at least the target: bool [units] for each group.

    The projection of ADMM with a hard constraint (docs/method.md, our reading): one threshold on
    ``scores`` (one array [units] for each group to be cut, comparable between groups), then rows
    come back by falling score while the target holds. So the target is met exactly: MACs are at
    or below it, and no further row of the group that would fit is left out. Every group keeps a
    row. ``coupled``: groups of several layers may be cut too. Raises PlanError when the target
    cannot be met.
    """
    sizes = np.array([group.size for group in network.groups], dtype=np.int64)
    free = [
        g.name in scores and not g.protected and (coupled or len(g.layers) == 1)
        for g in network.groups
    ]
    low = np.where(free, 1, sizes)
    count = measure_of(network, "macs")
    budget = float(np.floor((1 - target_reduction) * count(count.sizes) + 1e-6))
    room = Room(count, budget, low, sizes)
    if not room.fits(low):
        most = 1 - count(low) / count(count.sizes)
        raise PlanError(
            f"{100 * target_reduction:.1f} % of the MACs cannot go: with one filter left in every "
            f"group that may be cut, {100 * most:.1f} % are saved. Lower the target reduction."
        )
    full = [
        np.asarray(scores.get(group.name, np.full(group.size, np.inf)), dtype=float)
        for group in network.groups
    ]
    kept = by_threshold(room, full).kept
    return {
        group.name: _largest(full[place], int(kept[place]))
        for place, group in enumerate(network.groups)
        if group.name in scores
    }


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    stay = np.zeros(len(scores), dtype=bool)
    stay[np.argsort(-scores, kind="stable")[:count]] = True
    return stay
