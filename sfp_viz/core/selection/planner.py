"""From an analysis and edits to a plan."""

from __future__ import annotations

import warnings

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.rounding import unrounded
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import Analysis, analyze, analyze_group
from sfp_viz.core.selection.selection import select
from sfp_viz.errors import PlanError, RoundingWarning


def make_plan(
    network: Network,
    analysis: Analysis,
    recipe: Recipe,
    edits: Edits | None = None,
    *,
    warn: bool = True,
) -> Plan:
    """The exact filters that go, in the order of the network's groups.

    Clusters are those of the analysis, made for the suggestion without edits, so that changing a
    ratio by hand does not shuffle them; clusters by hand replace them.

    Args:
        network: The network to prune.
        analysis: ``analyze`` of this network and recipe; what the recipe needs besides weights
            comes with it.
        recipe: How filters are chosen, and how many.
        edits: Changes by hand; None for none.
        warn: Give a RoundingWarning where a pruned group keeps no multiple of the rounding.

    Raises:
        PlanError: The target cannot be reached, or the analysis or the edits belong to another
            network or recipe.
    """
    problem = Problem(network, Request.of(recipe, edits), analysis.evidence, analysis.dispersions)
    edits = problem.edits
    if (analysis.digest, analysis.recipe) != (network.digest, recipe):
        raise PlanError(
            "The analysis was made for another network or recipe. Analyze again with this one."
        )
    for name in dict(edits.clusters):
        network.group(name)
    kept = allocated_widths(problem)
    if warn and (off := unrounded(problem, kept)):
        warnings.warn(f"{off.label}.", RoundingWarning, stacklevel=2)
    removals = tuple(
        _removal(problem, analysis, group.name, kept[group.name])
        for group in network.groups
        if kept[group.name] < group.size
    )
    return Plan(network.digest, recipe, edits, removals)


def make_plan_for(problem: Problem) -> Plan:
    """Analyze and make the plan in one go. Raises RecipeError where evidence is missing."""
    analysis = analyze(problem.network, problem.recipe, problem.evidence)
    return make_plan(problem.network, analysis, problem.recipe, problem.edits, warn=False)


def _removal(problem: Problem, analysis: Analysis, name: str, kept: int) -> Removal:
    recipe, edits = problem.recipe, problem.edits
    group = analysis.groups.get(name)
    if group is None:  # a coupled group that only the edits cut
        group = analyze_group(problem, name, analysis.kept[name])
    return select(
        group,
        kept,
        recipe,
        labels=dict(edits.clusters).get(name),
        forced_keep=[unit for where, unit in edits.keep if where == name],
        forced_remove=[unit for where, unit in edits.remove if where == name],
    )
