"""What a gesture on a group means for recipe and edits. Pure, so tested without a browser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from sfp_viz.core.allocation.feasibility import largest_reduction
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request


def is_fixed(group: FilterGroup, edits: Edits) -> bool:
    """Whether the group is left whole: it cannot be cut, or a person said so."""
    return group.protected or group.name in edits.protected


def is_tied(group: FilterGroup, recipe: Recipe) -> bool:
    """Whether the recipe leaves the group whole until a person gives it a ratio."""
    return len(group.layers) > 1 and recipe.coupled == "protect"


def is_held(group: str, edits: Edits) -> bool:
    """Whether the group's width was set by hand."""
    return any(name == group for name, _ in edits.ratios)


def least_of(group: str, edits: Edits) -> int:
    """Units that stay at least by hand; 0 where there is no such minimum."""
    return dict(edits.least).get(group, 0)


def most_of(group: str, edits: Edits) -> int:
    """Units that stay at most by hand; 0 where there is no such maximum."""
    return dict(edits.most).get(group, 0)


def tags(group: str, edits: Edits) -> str:
    """What was fixed by hand, in a word beside the name."""
    words = ["held"] if is_held(group, edits) else []
    if least := least_of(group, edits):
        words.append(f"min {least:,}")
    if most := most_of(group, edits):
        words.append(f"max {most:,}")
    return ", ".join(words)


def with_width(network: Network, request: Request, *, group: str, to: int, hold: bool) -> Request:
    """``group`` shall keep ``to`` units, within its minimum and maximum by hand.

    The first width by hand settles what the other groups do: with ``hold`` they make up for it,
    so that the target holds; without it they stay as they are. Later ones leave that as it is.
    """
    filter_group, edits = network.group(group), request.edits
    to = min(max(int(to), 1, least_of(group, edits)), most_of(group, edits) or filter_group.size)
    if not edits.ratios:
        edits = replace(edits, makeup=hold)
    return replace(
        request, edits=edits.with_ratio(group, (filter_group.size - to) / filter_group.size)
    )


def with_makeup(request: Request, hold: bool) -> Request:
    """Whether the groups without a width by hand make up for those with one."""
    return replace(request, edits=replace(request.edits, makeup=hold))


def with_minimum(network: Network, request: Request, *, group: str, units: int | None) -> Request:
    """``group`` keeps at least ``units``; None lifts that. A width or a maximum by hand below it
    rises to it."""
    filter_group = network.group(group)
    units = None if units is None else min(max(int(units), 1), filter_group.size)
    if units is not None and 0 < most_of(group, request.edits) < units:
        request = replace(request, edits=request.edits.with_most(group, units))
    after = replace(request, edits=request.edits.with_least(group, units))
    ratio = dict(request.edits.ratios).get(group)
    if units is not None and ratio is not None and round(filter_group.size * (1 - ratio)) < units:
        after = replace(
            after,
            edits=after.edits.with_ratio(group, (filter_group.size - units) / filter_group.size),
        )
    return after


def with_maximum(network: Network, request: Request, *, group: str, units: int | None) -> Request:
    """``group`` keeps at most ``units``; None lifts that. A width or a minimum by hand above it
    falls to it."""
    filter_group = network.group(group)
    units = None if units is None else min(max(int(units), 1), filter_group.size)
    if units is not None and least_of(group, request.edits) > units:
        request = replace(request, edits=request.edits.with_least(group, units))
    after = replace(request, edits=request.edits.with_most(group, units))
    ratio = dict(request.edits.ratios).get(group)
    if units is not None and ratio is not None and round(filter_group.size * (1 - ratio)) > units:
        after = replace(
            after,
            edits=after.edits.with_ratio(group, (filter_group.size - units) / filter_group.size),
        )
    return after


def with_lock(
    network: Network,
    request: Request,
    *,
    group: str,
    locked: bool,
    evidence: Evidence | None = None,
) -> Request:
    """Leave ``group`` whole, or free it again. Its width by hand goes.

    The others make up for it; where they cannot, the target falls to what can be reached.
    """
    edits = request.edits.with_ratio(group, None).with_protected(group, locked)
    after = replace(request, edits=edits)
    most = largest_reduction(Problem(network, after, evidence or Evidence()))
    if most < request.recipe.target_reduction:
        after = replace(after, recipe=replace(request.recipe, target_reduction=_down(most)))
    return after


def without_widths(request: Request, group: str | None = None) -> Request:
    """Widths by hand given back to the suggestion: that of ``group``, or all."""
    if group is None:
        return replace(request, edits=replace(request.edits, ratios=()))
    return replace(request, edits=request.edits.with_ratio(group, None))


def with_target(network: Network, request: Request, recipe: Recipe) -> Request:
    """Another goal or target. Widths by hand go when they leave no group to reach it with."""
    open_groups = [
        group
        for group in network.groups
        if not is_fixed(group, request.edits)
        and not is_tied(group, recipe)
        and not is_held(group.name, request.edits)
    ]
    keeps_widths = open_groups or not request.edits.makeup
    return Request(recipe, request.edits if keeps_widths else replace(request.edits, ratios=()))


def reduction(network: Network, kept: Mapping[str, int]) -> float:
    """Share of MACs saved, 0..0.99, rounded down to 6 digits; computed."""
    before, after = cost_of_widths(network, {}).macs, cost_of_widths(network, kept).macs
    return _down(1 - after / before if before else 0.0)


def _down(share: float) -> float:
    return min(max(math.floor(share * 1e6 + 1e-9) / 1e6, 0.0), 0.99)
