"""One stage of a run in steps: what is asked of the student now, and what has gone so far.

Recipe and edits are relative to the original network; the student has other weights, fewer
filters and other numbers for them. This file translates between the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sfp_viz.core.allocation.bounds import bounds
from sfp_viz.core.allocation.feasibility import UnreachableTarget, feasibility
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.evidence.evidence import needs
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.clusters import canonical
from sfp_viz.core.selection.iterative_schedule import Steps, targets
from sfp_viz.errors import RecipeError

# Original numbers of the units of each group that are left, rising, by group.
Left = Mapping[str, tuple[int, ...]]


def all_units(network: Network) -> dict[str, tuple[int, ...]]:
    """Everything is left."""
    return {group.name: tuple(range(group.size)) for group in network.groups}


def check_steps(problem: Problem, steps: Steps) -> None:
    """Refuse at the start what would fail in a late stage.

    Args:
        problem: The original network and what is asked of it.
        steps: The schedule.

    Raises:
        RecipeError: The recipe needs what was measured on exact weights (sensitivity, latency), or
            its target is outside of 0.01 to 0.99.
        PlanError: The target is out of reach.
    """
    network, recipe = problem.network, problem.recipe
    targets(steps, recipe.target_reduction)
    lasting = [name for name in needs(recipe) if name != "observations"]
    if lasting:
        raise RecipeError(
            f"Pruning in steps cannot use the {lasting[0]}: it was measured on weights that change "
            "in each stage. Choose another allocation or goal, such as 'functional' and MACs, or "
            "prune once."
        )
    low, _ = bounds(problem)
    if problem.objective(low) > _budget(network, recipe, recipe.target_reduction):
        raise UnreachableTarget(feasibility(problem))


def stage_request(problem: Problem, student: Network, left: Left, target: float) -> Request:
    """What the stage that reaches ``target`` asks of ``student``.

    The request's target is a share of what is left, and its edits are in the student's own numbers:

    - The target becomes the share of what is left that takes the goal down to its exact budget on
      the original; 0 where an earlier stage went so far already.
    - ``max_ratio``, ``least`` and locks are of the original: a group never keeps fewer units than
      they leave it there.
    - A ratio by hand is the share of the original's filters that is gone after the last stage.
      On the way the group loses as large a part of that as the target is of the last target, and
      the other groups always make up for it, so that each stage meets its target.
    - A maximum by hand is reached the same way, stage by stage.
    - A filter marked for removal is removed in the first stage, one marked to be kept never. Manual
      clusters hold for the filters that are left.

    Args:
        problem: That of the original network.
        student: The network as earlier stages left it.
        left: Original numbers of the units that are left, by group.
        target: Share of the original's goal that the stage removes in all, 0..0.99.
    """
    original, recipe, edits = problem.network, problem.recipe, problem.edits
    low, high = bounds(problem)
    sizes = {group.name: group.size for group in student.groups}
    frozen = {group.name for group in student.groups if group.protected}
    share = target / recipe.target_reduction if recipe.target_reduction else 1.0
    ratios, least, most = [], [], []
    by_hand = dict(edits.ratios)
    for group, fewest, top in zip(original.groups, low.tolist(), high.tolist(), strict=True):
        size = sizes[group.name]
        if group.name in by_hand:
            gone = math.ceil(min(share, 1.0) * (group.size - fewest) - 1e-9)
            wanted = 0 if group.name in frozen else max(0, size - (group.size - gone))
            ratios.append((group.name, wanted / size))
        elif not group.protected:
            least.append((group.name, min(fewest, size)))
            gone = math.ceil(min(share, 1.0) * (group.size - top) - 1e-9)
            if group.name in dict(edits.most) and group.size - gone < size:
                most.append((group.name, group.size - gone))
    return Request(
        replace(recipe, target_reduction=_share(original, student, recipe, target), max_ratio=0.99),
        Edits(
            student.digest,
            ratios=tuple(ratios),
            protected=edits.protected,
            clusters=tuple((name, _labels(labels, left[name])) for name, labels in edits.clusters),
            keep=_numbers(edits.keep, left),
            remove=tuple(pair for pair in _numbers(edits.remove, left) if pair[0] not in frozen),
            least=tuple(least),
            most=tuple(most),
        ),
    )


def units_after(left: Left, plan: Plan) -> dict[str, tuple[int, ...]]:
    """What is left, in original numbers, once ``plan`` was carried out on the student.

    Args:
        left: Original numbers of the units that were left, by group.
        plan: What was removed, in the student's numbers.
    """
    gone = {removal.group: set(removal.filters) for removal in plan.removals}
    return {
        name: tuple(unit for place, unit in enumerate(units) if place not in gone.get(name, ()))
        for name, units in left.items()
    }


def merge_plans(problem: Problem, plans: list[Plan]) -> Plan:
    """The plans of all stages as one plan of the original: each filter that went, in the
    original's numbers, with the reason it had in its stage.

    Args:
        problem: That of the original network.
        plans: One for each stage, in order, in the numbers of its student.
    """
    original = problem.network
    left, reasons = all_units(original), {group.name: {} for group in original.groups}
    for plan in plans:
        for removal in plan.removals:
            units = left[removal.group]
            for place, reason in zip(removal.filters, removal.reasons, strict=True):
                reasons[removal.group][units[place]] = _renumbered(reason, units)
        left = units_after(left, plan)
    removals = tuple(
        Removal(name, tuple(sorted(units)), tuple(units[unit] for unit in sorted(units)))
        for name, units in reasons.items()
        if units
    )
    return Plan(original.digest, problem.recipe, problem.edits, removals)


def _budget(original: Network, recipe: Recipe, target: float) -> float:
    count = objective_of(original, recipe.goal)
    return float(np.floor((1 - target) * count(count.sizes) + 1e-6))


def _share(original: Network, student: Network, recipe: Recipe, target: float) -> float:
    """Share of the student's goal to remove; rounded up, so that the exact budget holds."""
    count = objective_of(student, recipe.goal)
    current = count(count.sizes)
    wanted = 1 - _budget(original, recipe, target) / current if current else 0.0
    return min(max(math.ceil(wanted * 1e6 - 1e-6) / 1e6, 0.0), 0.99)


def _numbers(pairs: tuple[tuple[str, int], ...], left: Left) -> tuple[tuple[str, int], ...]:
    """(group, original unit) in the student's numbers, without the units that are gone."""
    return tuple((name, left[name].index(unit)) for name, unit in pairs if unit in left[name])


def _labels(labels: tuple[int, ...], units: tuple[int, ...]) -> tuple[int, ...]:
    """Clusters of the units that are left; one that was dead becomes a cluster of its own, since
    training may have woken it up."""
    fresh = max(labels, default=-1) + 1
    return canonical(
        labels[unit] if labels[unit] >= 0 else fresh + place for place, unit in enumerate(units)
    )


def _renumbered(reason: Reason, units: tuple[int, ...]) -> Reason:
    return reason if reason.other is None else replace(reason, other=units[reason.other])
