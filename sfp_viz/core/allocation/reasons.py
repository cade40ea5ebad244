"""Why a group keeps what it keeps, from what its caller already knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sfp_viz.core.allocation.bounds import is_left_tied, unseen_groups
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.recipe import Recipe

WidthReasonKind = Literal[
    "protected",
    "locked",
    "ratio",
    "unobserved",
    "unmeasured",
    "most",
    "tied",
    "target_met",
    "elsewhere",
    "max_ratio",
    "allocation",
]


@dataclass(frozen=True)
class WidthReason:
    """Why ``group`` keeps ``kept`` of its units; text/plan/widths.py says it in words.

    Fixed: 'protected' by the network, 'locked' by hand, at a 'ratio' or a maximum ('most') set by
    hand, 'unobserved' or 'unmeasured' for want of evidence, 'tied' layers that the recipe leaves
    whole. 'target_met': without pruning any group. From the allocation: all are kept because other
    groups lose filters at less damage ('elsewhere'), the largest ratio of the recipe is reached
    ('max_ratio'), or the 'allocation' of ``recipe`` decides.

    ``value`` is the ratio 0..1 or the maximum set by hand. ``removed`` counts filters removed by
    hand. ``dispersion`` is the group's Kernel Dispersion.
    """

    kind: WidthReasonKind
    group: FilterGroup
    kept: int
    recipe: Recipe
    value: float = 0.0
    removed: int = 0
    dispersion: float = 1.0


def width_reason(problem: Problem, group: str, kept: int) -> WidthReason:
    """Why ``group`` keeps ``kept`` of its units, without working the allocation out again.

    See ``explanation.explain_width`` for more.

    Args:
        problem: The network and what is asked of it.
        group: Name of the group.
        kept: Units that it keeps.

    Raises:
        PlanError: The network has no such group.
    """
    fg, recipe = problem.network.group(group), problem.recipe
    dispersion = problem.dispersions.get(group, 1.0)
    kind: WidthReasonKind = "allocation"
    if fg.protected:
        kind = "protected"
    elif is_left_tied(problem.network, fg, recipe) and kept == fg.size:
        kind = "tied"
    elif kept == fg.size:
        kind = "elsewhere"
    elif recipe.allocation == "dispersion" and kept <= np.ceil(
        (1 - recipe.max_ratio) * fg.size - 1e-9
    ):
        kind = "max_ratio"
    return WidthReason(kind, fg, kept, recipe, dispersion=dispersion)


def fixed_width(problem: Problem, group: FilterGroup, kept: int) -> WidthReason | None:
    """What fixes the width of ``group`` whatever the allocation says; None where nothing does.

    Args:
        problem: The network and what is asked of it.
        group: The group.
        kept: Units that it keeps.
    """
    recipe, edits = problem.recipe, problem.edits

    def reason(kind: WidthReasonKind, value: float = 0.0, removed: int = 0) -> WidthReason:
        return WidthReason(kind, group, kept, recipe, value, removed)

    if group.protected:
        return reason("protected")
    if group.name in edits.protected:
        return reason("locked")
    ratio = dict(edits.ratios).get(group.name)
    if ratio is not None:
        return reason("ratio", ratio)
    most = dict(edits.most).get(group.name)
    removed = sum(name == group.name for name, _ in edits.remove)
    is_unseen = group.name in unseen_groups(problem)
    is_tied = is_left_tied(problem.network, group, recipe)
    if is_unseen and most is None:
        known = problem.evidence.sensitivity
        measured = recipe.allocation == "sensitivity" and known and group.name not in known.right
        return reason("unmeasured" if measured else "unobserved", removed=removed)
    if most is not None and kept < group.size and (is_tied or is_unseen):
        return reason("most", most)
    return reason("tied", removed=removed) if is_tied else None
