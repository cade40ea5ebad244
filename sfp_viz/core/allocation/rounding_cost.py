"""What rounding to multiples costs: the same recipe with and without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.suggestion import allocate


@dataclass(frozen=True)
class RoundingCost:
    """Widths and reductions of the goal with and without rounding: computed, for latency estimated.

    Attributes:
        requested: the recipe's rounding.
        step: the rounding in use; 1 where multiples could not meet the target.
        plain_reduction: reduction of the goal 0..1 with single units.
        rounded_reduction: reduction of the goal 0..1 with rounding.
        plain: units that each group keeps with single units.
        rounded: units that each group keeps with rounding.
    """

    requested: int
    step: int
    plain_reduction: float
    rounded_reduction: float
    plain: Mapping[str, int]
    rounded: Mapping[str, int]


def rounding_cost(problem: Problem) -> RoundingCost:
    """Widths and reduction of the goal with the recipe's rounding and with single units.

    Raises:
        PlanError: the target cannot be met.
        RecipeError: evidence that the recipe needs is missing or of other weights.
    """
    requested = problem.recipe.rounding
    rounded = allocate(problem)
    plain = rounded if requested == 1 else allocate(problem.with_recipe(rounding=1))
    objective = problem.objective
    whole = objective(objective.sizes)

    def reduction(kept: Mapping[str, int]) -> float:
        left = objective(np.array([kept[name] for name in objective.names]))
        return 1 - left / whole if whole else 0.0

    return RoundingCost(
        requested,
        rounded.step,
        reduction(plain.kept),
        reduction(rounded.kept),
        plain.kept,
        rounded.kept,
    )
