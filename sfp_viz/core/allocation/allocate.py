"""From a recipe to the filters that each group keeps, under a target (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sfp_viz.core.allocation.bounds import bounds, stepped_bounds
from sfp_viz.core.allocation.feasibility import UnreachableTarget, feasibility
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.strategies import (
    Budget,
    Widths,
    by_curves,
    by_share,
    by_threshold,
    functional_curves,
    sensitivity_curves,
)
from sfp_viz.core.cost.objective import Objective
from sfp_viz.core.evidence.evidence import Evidence, check_evidence, needs
from sfp_viz.core.memo import Memo
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.redundancy.importance import importance_in

__all__ = ["Allocation", "allocate", "allocated_widths", "bounds"]

_POOLED: Memo[list[np.ndarray]] = Memo()  # of networks and of observations, by the choices
_FLOOR = 1e-3  # dispersion taken for a group of duplicates, so that its weight is not 0


@dataclass(frozen=True)
class Allocation:
    """Units kept by each group, and how they came about: the arrays are in network order.

    ``low`` and ``high`` bound each group; ``step`` is the rounding that was used: 1 where the
    recipe's could not meet the target, and then groups that stay on its steps have equal bounds;
    ``widths`` tells the level and what was wanted.
    """

    kept: dict[str, int]
    widths: Widths
    low: np.ndarray
    high: np.ndarray
    step: int


def allocated_widths(problem: Problem) -> dict[str, int]:
    """Units that each group keeps, by name, so that the goal falls by at least the target.

    'dispersion': tau * dispersion ** gamma of a group's units, within what the recipe and
    ``edits`` allow, 'uniform': tau; the largest tau that meets the target; 'pooled': one
    threshold on the importance of all filters, each group's divided by its mean; 'functional' and
    'sensitivity': by curves of damage, see strategies.py. Then single units (steps of the
    rounding) are given back while the target holds. Where ``edits`` say so (``makeup`` False),
    ratios by hand replace their groups' widths afterwards, and the target may be missed.

    Raises what ``allocate`` raises.
    """
    return allocate(problem).kept


def allocate(problem: Problem) -> Allocation:
    """``allocated_widths`` with how it came about.

    Args:
        problem: The network, the request, evidence for what the recipe needs, and, for the
            allocation 'dispersion', the dispersions.

    Raises:
        PlanError: The target cannot be met; says what can be reached and what prevents more.
        RecipeError: Evidence that the recipe needs is missing or belongs to other weights.
    """
    network, recipe, edits = problem.network, problem.recipe, problem.edits
    check_evidence(recipe, problem.evidence, network.digest)
    low, high = bounds(problem)
    if edits.ratios and not edits.makeup:
        without_ratios = allocate(problem.with_edits(ratios=()))
        by_hand = {g.name: int(n) for g, n in zip(network.groups, low, strict=True)}
        kept = without_ratios.kept | {name: by_hand[name] for name, _ in edits.ratios}
        return replace(without_ratios, kept=kept, low=low, high=high)
    count = problem.objective
    budget = (1 - recipe.target_reduction) * count(count.sizes)
    budget = budget + 1e-9 if recipe.goal == "latency" else float(np.floor(budget + 1e-6))
    if count(low) > budget:
        raise UnreachableTarget(feasibility(problem))
    step = recipe.rounding
    least, most = stepped_bounds(low, high, step)
    if count(least) > budget:
        step, (low, high) = 1, _off_the_steps(count, budget, low, least)
        least, most = low, high
    widths = _shared(problem, Budget(count, budget, least, most, step))
    kept = {g.name: int(n) for g, n in zip(network.groups, widths.kept, strict=True)}
    return Allocation(kept, widths, low, high, step)


def _off_the_steps(
    count: Objective, budget: float, low: np.ndarray, stepped: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [groups] within which the budget holds with as few groups off the steps as can be:
    those where leaving them saves most. The others keep ``stepped`` units, their fewest."""
    fewest = stepped.copy()
    saved = {}
    for g in np.flatnonzero(low < stepped):
        one_less = stepped.copy()
        one_less[g] = low[g]
        saved[int(g)] = count(stepped) - count(one_less)
    for g in sorted(saved, key=lambda g: (-saved[g], g)):
        fewest[g] = low[g]
        if count(fewest) <= budget:
            break
    return fewest, stepped


def _shared(problem: Problem, budget: Budget) -> Widths:
    network, recipe = problem.network, problem.recipe
    if recipe.allocation == "pooled":
        return by_threshold(budget, pooled_scores(network, recipe, problem.evidence))
    if recipe.allocation in ("functional", "sensitivity"):
        return by_curves(budget, curves_of(recipe, problem.evidence))
    return by_share(budget, np.array([weight(problem, group) for group in network.groups]))


def weight(problem: Problem, group: FilterGroup) -> float:
    """A group's weight in sharing out: dispersion ** gamma, or 1 for 'uniform'.

    Args:
        problem: Its recipe has gamma; its dispersions are 0..1 by group, 1 where a group has none.
        group: The group.
    """
    if problem.recipe.allocation == "uniform":
        return 1.0
    return max(problem.dispersions.get(group.name, 1.0), _FLOOR) ** problem.recipe.gamma


def curves_of(recipe: Recipe, evidence: Evidence) -> dict[str, np.ndarray]:
    """The curves of damage by which 'functional' and 'sensitivity' share out.

    Args:
        recipe: Its allocation.
        evidence: What was observed or measured.

    Returns:
        Damage [units + 1] by group, with 0, 1 .. all units removed; {} for other allocations or
        without evidence.
    """
    if recipe.allocation == "functional" and evidence.damage is not None:
        return dict(evidence.damage)
    if recipe.allocation == "functional" and evidence.observations is not None:
        return functional_curves(evidence.observations)
    if recipe.allocation == "sensitivity" and evidence.sensitivity is not None:
        return sensitivity_curves(evidence.sensitivity)
    return {}


def pooled_scores(network: Network, recipe: Recipe, evidence: Evidence) -> list[np.ndarray]:
    """Importance of all units, one array [units] a group, each divided by its group's mean.

    As the recipe scores a group when it chooses its filters: with 'pacesetter' by the first layer
    alone. Worked out once a network, criterion and way to treat tied layers. Protected groups
    count as all equal.

    Args:
        network: The network.
        recipe: Its criterion, seed and way to treat tied layers.
        evidence: Observations, where the criterion needs them.

    Raises:
        RecipeError: The criterion needs observations, or a BatchNorm that a layer does not have.
    """
    observations = evidence.observations if "observations" in needs(recipe) else None
    memo = _POOLED.of(observations or network)
    key = (network.digest, recipe.criterion, recipe.seed, recipe.coupled)
    if key not in memo:
        scores = []
        for group in network.groups:
            importance = np.ones(group.size)
            if not group.protected:
                importance = importance_in(network, group, recipe, observations)
            scores.append(importance / (importance.mean() or 1.0))
        memo[key] = scores
    return memo[key]
