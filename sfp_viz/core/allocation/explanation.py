"""Why this ratio? The numbers of the allocation's formula for one group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.allocate import Allocation, allocate, curves_of, pooled_scores
from sfp_viz.core.allocation.bounds import stepped_bounds
from sfp_viz.core.allocation.damage_curves import energy
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.reasons import WidthReason, fixed_width, width_reason
from sfp_viz.core.evidence.sensitivity import losses
from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError


@dataclass(frozen=True)
class Adjustment:
    """What rounding, bounds and giving back did to the units that the formula gives.

    ``step``: the multiple in use; below the recipe's rounding where that could not meet the
    target. ``rounded``: the units rounded to it. ``bounded``: those within ``low`` and ``high``.
    ``kept``: with those given back while the target still holds.
    """

    wanted: float
    step: int
    rounded: int
    bounded: int
    low: int
    high: int
    kept: int


@dataclass(frozen=True)
class WidthFormula:
    """The formula of the recipe's allocation with the numbers of ``group``.

    ``level``: what is the same for all groups, so that the target is met: the share tau
    ('uniform', 'dispersion'), the threshold on importance ('pooled'), or the damage accepted for
    each unit of the goal ('functional', 'sensitivity'). ``dispersion``: Kernel Dispersion of the
    group. ``importances``: the lowest and highest, relative to the group's mean ('pooled').
    ``lost``: what is lost without the pruned filters, the share 0..1 of the next layers' input
    energy after the best refit ('functional') or points of accuracy ('sensitivity').
    ``energy``: the energy that the next layers read here, against the stream they disturb.
    ``damage``: of the group's damage curve at this width; None where it has none.
    ``images`` of ``data`` were observed or measured.
    """

    group: FilterGroup
    recipe: Recipe
    level: float
    adjustment: Adjustment
    dispersion: float = 1.0
    importances: tuple[float, float] = (0.0, 0.0)
    lost: float = 0.0
    energy: float = 0.0
    damage: float | None = None
    images: int = 0
    data: str = ""

    @property
    def pruned(self) -> int:
        """Units that the group loses."""
        return self.group.size - self.adjustment.kept


def explain_width(
    problem: Problem, kept: Mapping[str, int], group: str
) -> WidthReason | WidthFormula:
    """Why ``group`` keeps ``kept[group]`` units of the network.

    Args:
        problem: The network and what is asked of it.
        kept: Units of each group, as ``allocated_widths`` returned them for the same problem.
            Where it raises, or the group was moved since, the reason is without a formula.
        group: Name of the group.

    Raises:
        PlanError: The network has no such group.
    """
    fg = problem.network.group(group)
    if fixed := fixed_width(problem, fg, kept[group]):
        return fixed
    plain = width_reason(problem, group, kept[group])
    try:
        allocation = allocate(problem)
    except SfpError:
        return plain
    if allocation.kept[group] != kept[group]:
        return plain
    if np.array_equal(allocation.widths.kept, allocation.high):
        return WidthReason("target_met", fg, kept[group], problem.recipe)
    place = [g.name for g in problem.network.groups].index(group)
    return WidthFormula(
        fg,
        problem.recipe,
        allocation.widths.level,
        _adjustment(allocation, place),
        **_numbers(problem, allocation, fg, place),
    )


def _numbers(problem: Problem, allocation: Allocation, group: FilterGroup, place: int) -> dict:
    """The numbers of the recipe's allocation for one group."""
    recipe, evidence = problem.recipe, problem.evidence
    pruned = group.size - allocation.kept[group.name]
    if recipe.allocation == "pooled":
        scores = pooled_scores(problem.network, recipe, evidence)[place]
        return {"importances": (float(scores.min()), float(scores.max()))}
    if recipe.allocation in ("uniform", "dispersion"):
        return {"dispersion": problem.dispersions.get(group.name, 1.0)}
    curve = curves_of(recipe, evidence).get(group.name)
    damage = None if curve is None else float(curve[pruned])
    if recipe.allocation == "functional":
        observations = evidence.observations
        assert observations is not None
        return {
            "lost": float(observations.elimination(group.name).errors[pruned]),
            "energy": energy(observations, group.name),
            "damage": damage,
            "images": observations.images,
            "data": observations.data,
        }
    sensitivity = evidence.sensitivity
    assert sensitivity is not None
    lost = float(losses(sensitivity, group.name)[pruned])
    return {"lost": lost, "damage": damage, "images": sensitivity.images, "data": sensitivity.data}


def _adjustment(allocation: Allocation, place: int) -> Adjustment:
    low, high, step = int(allocation.low[place]), int(allocation.high[place]), allocation.step
    wanted = float(allocation.widths.wanted[place])
    least, most = (int(x[place]) for x in stepped_bounds(allocation.low, allocation.high, step))
    rounded = int(np.floor(wanted / step + 0.5)) * step
    bounded = min(max(rounded, least), most)
    return Adjustment(wanted, step, rounded, bounded, low, high, int(allocation.widths.kept[place]))
