"""Projection onto the filters that meet a cost target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sfp_viz.core.allocation.strategies import Budget, by_threshold
from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.network import Network
from sfp_viz.errors import PlanError


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
    count = objective_of(network, "macs")
    budget = float(np.floor((1 - target_reduction) * count(count.sizes) + 1e-6))
    room = Budget(count, budget, low, sizes)
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
