"""Goals in both directions: how far can this go, and how much can go for a given loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.feasibility import largest_reduction
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.sensitivity import Sensitivity, predicted_loss
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError, RecipeError

_STEP = 0.001  # targets are tried in steps of a tenth of a percent


def losing_at_most(problem: Problem, points: float = 1.0) -> Recipe:
    """The recipe with the largest target whose predicted loss is at most ``points``, 0..100.

    The loss of one-shot accuracy, in percentage points, is estimated from the measured
    sensitivity of each group (``sensitivity.predicted_loss``); the target is found by bisection in
    steps of 0.1 %.

    Args:
        problem: Its evidence holds the sensitivity; its recipe's target plays no part.
        points: Percentage points of one-shot accuracy that may be lost, 0 or more.

    Raises:
        RecipeError: There is no sensitivity of these weights.
        PlanError: What is fixed by hand alone loses more, or a group that was not measured loses
            filters.
    """
    known = _sensitivity(problem)
    if not points >= 0:
        raise PlanError(f"The accuracy to lose is 0 points or more, not {points}.")

    def lost(step: int) -> float:
        kept = allocated_widths(problem.with_recipe(target_reduction=step * _STEP))
        return predicted_loss(known, _measured(problem, known, kept))

    below, above = 0, int(np.floor(largest_reduction(problem) / _STEP)) + 1
    if (least := lost(0)) > points:
        raise PlanError(
            f"The manual edits alone are predicted to lose {least:.1f} points, more than "
            f"{points:g}. Allow more, or undo manual ratios and filters."
        )
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if lost(middle) <= points else (below, middle)
    return replace(problem.recipe, target_reduction=below * _STEP)


def _sensitivity(problem: Problem) -> Sensitivity:
    sensitivity = problem.evidence.sensitivity
    if sensitivity is None or sensitivity.digest != problem.network.digest:
        raise RecipeError(
            "To limit the loss of accuracy, the sensitivity of these weights must be known. "
            "Measure it first: measure_sensitivity(...), or 'sfp-viz sensitivity NET'."
        )
    return sensitivity


def _measured(problem: Problem, known: Sensitivity, kept: Mapping[str, int]) -> dict[str, int]:
    """The widths of the groups that were measured; PlanError where another one loses units."""
    for group in problem.network.groups:
        if group.name not in known.right and kept[group.name] < group.size:
            raise PlanError(
                f"'{group.name}' loses filters, but its sensitivity was not measured. Lock it, or "
                "measure again with this recipe."
            )
    return {name: units for name, units in kept.items() if name in known.right}
