"""Projection onto the filters that meet a MACs target."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sfp_viz.core.allocation.strategies import Budget, by_threshold
from sfp_viz.core.cost.cost import all_tied
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
    """The rows with the largest scores that meet a MACs target: bool [units] by group.

    The projection of ADMM with a hard constraint (docs/method.md, our reading): one threshold on
    the scores, then rows come back by falling score while the target holds. MACs are at or below
    the target, no further row would fit, and every group keeps one.

    Args:
        network: The network.
        scores: A score of each row [units] of the groups that may be pruned, comparable between
            groups.
        target_reduction: Share of the MACs to remove, 0..1.
        coupled: Whether groups of several layers may be pruned too; where there are no others, they
            are.

    Raises:
        PlanError: The target cannot be met.
    """
    sizes = np.array([group.size for group in network.groups], dtype=np.int64)
    coupled = coupled or all_tied(network)
    free = [
        g.name in scores and not g.protected and (coupled or len(g.layers) == 1)
        for g in network.groups
    ]
    low = np.where(free, 1, sizes)
    count = objective_of(network, "macs")
    budget = float(np.floor((1 - target_reduction) * count(count.sizes) + 1e-6))
    constraint = Budget(count, budget, low, sizes)
    if not constraint.fits(low):
        most = 1 - count(low) / count(count.sizes)
        raise PlanError(
            f"{100 * target_reduction:.1f} % of the MACs cannot be removed: at one filter in every "
            f"prunable group {100 * most:.1f} % are. Lower the target reduction."
        )
    full = [
        np.asarray(scores.get(group.name, np.full(group.size, np.inf)), dtype=float)
        for group in network.groups
    ]
    widths = by_threshold(constraint, full).kept
    return {
        group.name: _largest(values, int(width))
        for group, values, width in zip(network.groups, full, widths, strict=True)
        if group.name in scores
    }


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    kept = np.zeros(len(scores), dtype=bool)
    kept[np.argsort(-scores, kind="stable")[:count]] = True
    return kept
