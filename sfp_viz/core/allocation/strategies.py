"""Where a goal is met: how the groups share what has to go (docs/method.md).

Three ways: by a share of each group (dispersion, uniform), by one threshold on all filters
(pooled), and by curves of damage (functional, sensitivity). All take bounds, a step between
widths and a budget that the fewest units meet, and all give back what the budget leaves.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.damage_curves import (
    GRID,
    energy,
    functional_curves,
    hull_pieces,
    sensitivity_curves,
)
from sfp_viz.core.cost.objective import IncrementalCost, Objective

__all__ = [
    "Budget", "Widths", "by_curves", "by_share", "by_threshold", "energy", "functional_curves",
    "sensitivity_curves",
]  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """What the widths may be: fewest and most units [groups], the step between, the budget."""

    count: Objective
    budget: float
    low: np.ndarray
    high: np.ndarray
    step: int = 1

    def fits(self, kept: np.ndarray) -> bool:
        return self.count(kept) <= self.budget

    def stepped(self, wanted: np.ndarray) -> np.ndarray:
        """Widths nearest ``wanted`` units, on the steps and inside the bounds."""
        kept = np.floor(wanted / self.step + 0.5).astype(np.int64) * self.step
        return np.clip(kept, self.low, self.high)


@dataclass(frozen=True)
class Widths:
    """Units kept [groups]; ``level`` is what was turned until the budget held: the share tau, the
    threshold on importance, or the damage accepted for a unit of the goal. ``wanted`` are the
    units [groups] at that level, before rounding, bounds and giving back."""

    kept: np.ndarray
    level: float
    wanted: np.ndarray


def by_share(budget: Budget, weights: np.ndarray) -> Widths:
    """Each group keeps tau * weight of its units, at most all; the largest tau that fits.

    The goal never falls as tau grows, so 60 halvings of log tau find it. Then single steps are
    given back by falling weight while the budget holds.

    Args:
        budget: Cost, budget, bounds and step.
        weights: Weight of each group [groups], above 0.
    """
    sizes = budget.count.sizes

    def wanted(tau: float) -> np.ndarray:
        return np.minimum(tau * weights, 1) * sizes

    if not len(sizes) or budget.fits(budget.high):
        return Widths(budget.high, 1 / weights.min(initial=1.0), budget.high.astype(float))
    ends = np.array([0.25 / sizes.max(), 2.0]) / [weights.max(), weights.min()]
    below, above = np.log(ends)
    for _ in range(60):
        middle = (below + above) / 2
        fits = budget.fits(budget.stepped(wanted(np.exp(middle))))
        below, above = (middle, above) if fits else (below, middle)
    tau = float(np.exp(below))
    kept = budget.stepped(wanted(tau))
    order = np.lexsort((np.arange(len(kept)), -weights))
    return Widths(_in_turn(budget, kept, order), tau, wanted(tau))


def by_threshold(budget: Budget, scores: Sequence[np.ndarray]) -> Widths:
    """Units stay whose score reaches one threshold for all groups; the lowest that fits.

    Then units are given back by falling score while the budget holds.

    Args:
        budget: Cost, budget, bounds and step.
        scores: One array [units] a group, comparable between groups.
    """
    if not len(scores) or budget.fits(budget.high):
        return Widths(budget.high, -np.inf, budget.high.astype(float))
    rising = [np.sort(values) for values in scores]
    pooled = np.unique(np.concatenate(rising))

    def wanted(threshold: float) -> np.ndarray:
        return np.array([len(values) - np.searchsorted(values, threshold) for values in rising])

    fails, fits = -1, len(pooled)
    while fits - fails > 1:
        middle = (fits + fails) // 2
        if budget.fits(budget.stepped(wanted(pooled[middle]))):
            fits = middle
        else:
            fails = middle
    level = float(pooled[fits]) if fits < len(pooled) else np.inf
    kept = budget.stepped(wanted(level))
    falling = sorted(
        (-float(score), g)
        for g, values in enumerate(rising)
        for score in values[: len(values) - int(kept[g])]
    )
    return Widths(_one_by_one(budget, kept, [g for _, g in falling]), level, wanted(level))


def by_curves(budget: Budget, curves: Mapping[str, np.ndarray]) -> Widths:
    """Units go where the goal falls most for the least rise of damage (docs/method.md).

    Greedy on the lower convex hull of each curve, so that neither a flat start that hides a cliff
    nor a steep one before a plateau misleads it: of all next pieces of hull the one with the
    smallest rise per saved unit of the goal goes, until the budget holds. As the others shrink a
    piece saves less, so that its price only grows and stale prices are lower bounds. Then steps are
    given back, the most damage saved for each unit of the goal first. Deterministic: of equal
    prices the first group goes.

    Args:
        budget: Cost, budget, bounds and step.
        curves: Damage [units + 1] by group, with 0, 1 .. all units removed, never falling; groups
            without one keep ``high`` units.
    """
    count, high, step = budget.count, budget.high, budget.step
    low = np.where([name in curves for name in count.names], budget.low, high)
    cost = IncrementalCost(count, high, budget.budget)
    named = zip(count.names, count.sizes, strict=True)
    damage = [curves.get(name, np.zeros(size + 1)) for name, size in named]
    pieces = [hull_pieces(damage[g], int(low[g]), int(high[g]), step) for g in range(len(low))]
    queue = [(0.0, g, 0) for g in range(len(low)) if pieces[g]]
    level = 0.0
    while queue and not cost.met:
        _, g, place = heapq.heappop(queue)
        units, rise = pieces[g][place]
        saved = cost.saving(g, units)
        price = rise / saved if saved > 0 else np.inf
        if queue and price > queue[0][0]:
            heapq.heappush(queue, (price, g, place))
            continue
        level = max(level, price) if price < np.inf else level
        cost.move(g, units)
        if place + 1 < len(pieces[g]):
            heapq.heappush(queue, (price, g, place + 1))
    return Widths(_give_back(budget, cost, damage), level, cost.kept.astype(float))


def _in_turn(budget: Budget, kept: np.ndarray, order: np.ndarray) -> np.ndarray:
    """One step more for each group in turn, as long as the budget holds; many rounds at once."""
    while len(order):
        rounds = 0
        while rounds < budget.high.max():
            more = _wider(budget, kept, order, 2 * rounds or 1)
            if not budget.fits(more):
                break
            rounds = 2 * rounds or 1
        if rounds:
            kept = _wider(budget, kept, order, rounds)
            order = order[kept[order] < budget.high[order]]
            continue
        order = np.array([g for g in order if kept[g] < budget.high[g]], dtype=np.int64)
        still = []
        for g in order:
            more = _wider(budget, kept, np.array([g]), 1)
            if budget.fits(more):
                kept = more
                still.append(g)
        order = np.array(still, dtype=np.int64)
    return kept


def _one_by_one(budget: Budget, kept: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """A step more for each of ``groups`` in this order; one that does not fit never will."""
    closed: set[int] = set()
    for g in groups:
        if g in closed or kept[g] >= budget.high[g]:
            continue
        more = _wider(budget, kept, np.array([g]), 1)
        if budget.fits(more):
            kept = more
        else:
            closed.add(g)
    return kept


def _wider(budget: Budget, kept: np.ndarray, groups: np.ndarray, steps: int) -> np.ndarray:
    more = kept.copy()
    more[groups] = np.minimum(kept[groups] + steps * budget.step, budget.high[groups])
    return more


def _give_back(budget: Budget, cost: IncrementalCost, damage: Sequence[np.ndarray]) -> np.ndarray:
    """Steps more where each unit of the goal takes the most damage back, while the budget holds;
    first many steps at once, then single ones."""
    for finest in (False, True):
        steps = [1 if finest else max(1, len(curve) // (GRID * budget.step)) for curve in damage]
        queue = [
            _worth(budget, cost, damage, g, steps[g])
            for g in range(len(damage))
            if cost.kept[g] < budget.high[g]
        ]
        heapq.heapify(queue)
        while queue:
            old, _, g, _ = heapq.heappop(queue)
            current = _worth(budget, cost, damage, g, steps[g])
            if queue and current[0] > old and current[0] > queue[0][0]:
                heapq.heappush(queue, current)
            elif cost.allows(g, current[3]):
                cost.move(g, -current[3])
                if cost.kept[g] < budget.high[g]:
                    heapq.heappush(queue, _worth(budget, cost, damage, g, steps[g]))
    return cost.kept


def _worth(
    budget: Budget, cost: IncrementalCost, damage: Sequence[np.ndarray], g: int, steps: int
) -> tuple[float, float, int, int]:
    """(minus the damage spared for each unit of the goal, minus that damage, group, units)."""
    kept = int(cost.kept[g])
    units = min(budget.step * steps - kept % budget.step, int(budget.high[g]) - kept)
    gone = len(damage[g]) - 1 - kept
    spared = float(damage[g][gone] - damage[g][gone - units])
    spent = -cost.saving(g, -units)
    return (-spared / spent if spent > 0 else -np.inf), -spared, g, units
