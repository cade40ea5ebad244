"""Measure the one-shot accuracy of plans, and of networks with a single group pruned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import FRESH, WHOLE
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import analyze_group
from sfp_viz.core.selection.selection import select
from sfp_viz.errors import PlanError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.read_network import trace_model

RATIOS = (0.25, 0.5, 0.75, 0.9)
CALIBRATION = 512  # images that re-estimate BatchNorm at each point; 'prune' itself takes 2,560


def sensitivity_tasks(
    network: Network, recipe: Recipe, ratios: Sequence[float] = RATIOS
) -> tuple[tuple[str, int], ...]:
    """What there is to measure for the sensitivity of each group.

    Every group that can be cut at all is included, also those of several layers that ``recipe``
    keeps whole, so that people see what cutting them would cost. Equal widths appear once.

    Args:
        network: The network.
        recipe: How filters are chosen.
        ratios: Shares 0..1 of a group's units to remove.

    Returns:
        The whole network, ('', 0), the same with its BatchNorm re-estimated, ('', 1), then
        (group, units kept).
    """
    points: list[tuple[str, int]] = [WHOLE, FRESH]
    for group in network.free:
        for ratio in sorted(ratios):
            kept = max(1, group.size - int(np.floor(ratio * group.size + 0.5)))
            if kept < group.size and (group.name, kept) not in points:
                points.append((group.name, kept))
    return tuple(points)


def measure_sensitivity_points(
    model: Model,
    network: Network,
    recipe: Recipe,
    *,
    todo: Sequence[tuple[str, int]],
    calibration: Images,
    test: Images,
    evidence: Evidence | None = None,
    most: int = CALIBRATION,
) -> Iterator[tuple[str, int, int]]:
    """Measure the one-shot accuracy at each of some points.

    At each point only that group is cut, by the filters that ``recipe`` chooses, and compensated as
    it says; BatchNorm is re-estimated. So the curve says what the group itself costs, not what an
    outdated BatchNorm makes of it.

    Args:
        model: The network.
        network: Its reading.
        recipe: How filters are chosen and compensated.
        todo: The points, from ``sensitivity_tasks``.
        calibration: Training images.
        test: Images to measure the accuracy on.
        evidence: What the recipe needs to know besides the weights.
        most: How many calibration images to use at most.

    Yields:
        (group, units kept, test images classified correctly) for each point.

    Raises:
        PlanError: A group is protected, or has no such width.
        DataError: The images do not fit the network.
    """
    calibrated_on, traced = as_trained(model, calibration, most), trace_model(model)
    for name, kept in todo:
        if (name, kept) == WHOLE:
            yield name, kept, count_right(model, test)
            continue
        if (name, kept) == FRESH:
            yield name, kept, count_right(reestimate(model, calibrated_on), test)
            continue
        plan = single_cut(network, recipe, name, kept, evidence)
        small = prune(
            model, plan, calibration=calibrated_on, network=network, traced=traced, plain=True
        )
        yield name, kept, count_right(small, test)


def single_cut(
    network: Network, recipe: Recipe, name: str, kept: int, evidence: Evidence | None = None
) -> Plan:
    """The plan that prunes one group and keeps all others whole.

    Args:
        network: The network.
        recipe: How filters are chosen.
        name: The group.
        kept: How many of its units to keep, at least 1 and fewer than it has.
        evidence: What the recipe needs to know besides the weights.

    Raises:
        PlanError: The group is protected, or has no such width.
    """
    group = network.group(name)
    if group.protected or not 1 <= kept < group.size:
        raise PlanError(
            f"'{name}' cannot be pruned to {kept} of its {group.size} units. "
            + (
                f"It is protected: {group.protection}."
                if group.protected
                else f"Keep between 1 and {group.size - 1}."
            )
        )
    problem = Problem(network, Request(recipe), evidence or Evidence())
    analysis = analyze_group(problem, name, kept)
    ratios = tuple((g.name, 1 - kept / g.size if g.name == name else 0.0) for g in network.free)
    return Plan(
        network.digest,
        replace(recipe, target_reduction=0.0),
        Edits(network.digest, ratios=ratios),
        (select(analysis, kept, recipe),),
    )


def measure_plans(
    model: Model,
    network: Network,
    plans: Sequence[Plan],
    *,
    calibration: Images,
    test: Images,
    most: int = CALIBRATION,
) -> Iterator[int]:
    """Measure the one-shot accuracy of some plans: compensated as their recipes say, BatchNorm
    re-estimated, not trained.

    Args:
        model: The network.
        network: Its reading.
        plans: The plans.
        calibration: Training images.
        test: Images to measure the accuracy on.
        most: How many calibration images to use at most.

    Yields:
        How many test images the pruned network classifies correctly, for each plan.

    Raises:
        PlanError: A plan does not fit the network.
        DataError: The images do not fit the network.
    """
    calibrated_on, traced = as_trained(model, calibration, most), trace_model(model)
    for plan in plans:
        small = prune(
            model, plan, calibration=calibrated_on, network=network, traced=traced, plain=True
        )
        yield count_right(small, test)
