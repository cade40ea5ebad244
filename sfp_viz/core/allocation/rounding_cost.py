"""What rounding to multiples costs: the same recipe with and without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.suggestion import allocate


@dataclass(frozen=True)
class RoundingCost:
    """Computed, for latency estimated. ``step`` is the rounding in use: 1 where multiples could
    not meet the target. ``without`` and ``with_it`` are the reductions of the goal, 0..1, and
    ``free`` and ``rounded`` the units that each group keeps, without and with rounding."""

    asked: int
    step: int
    without: float
    with_it: float
    free: Mapping[str, int]
    rounded: Mapping[str, int]


def rounding_cost(problem: Problem) -> RoundingCost:
    """Widths and reduction of the goal with the recipe's rounding and with single units.

    Raises what ``suggest`` raises.
    """
    asked = problem.recipe.rounding
    rounded = allocate(problem)
    free = rounded if asked == 1 else allocate(problem.with_recipe(rounding=1))
    count = problem.objective
    whole = count(count.sizes)

    def saved(kept: Mapping[str, int]) -> float:
        return 1 - count(np.array([kept[n] for n in count.names])) / whole if whole else 0.0

    return RoundingCost(
        asked, rounded.step, saved(free.kept), saved(rounded.kept), free.kept,
        rounded.kept,
    )  # fmt: skip
