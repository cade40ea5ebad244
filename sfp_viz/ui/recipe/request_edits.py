"""What a gesture on a group means for recipe and edits. Pure, so tested without a browser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from sfp_viz.core.allocation.bounds import is_left_tied
from sfp_viz.core.allocation.feasibility import largest_reduction
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request


def is_fixed(group: FilterGroup, edits: Edits) -> bool:
    """Whether the group is not pruned: it cannot be, or it was locked manually.

    Args:
        group: The group.
        edits: The manual edits.
    """
    return group.protected or group.name in edits.protected


def is_held(group: str, edits: Edits) -> bool:
    """Whether the width of the group was set manually.

    Args:
        group: Name of the group.
        edits: The manual edits.
    """
    return any(name == group for name, _ in edits.ratios)


def least_of(group: str, edits: Edits) -> int:
    """The manual minimum of a group; 0 for none.

    Args:
        group: Name of the group.
        edits: The manual edits.
    """
    return dict(edits.least).get(group, 0)


def most_of(group: str, edits: Edits) -> int:
    """The manual maximum of a group; 0 for none.

    Args:
        group: Name of the group.
        edits: The manual edits.
    """
    return dict(edits.most).get(group, 0)


def tags(group: str, edits: Edits) -> str:
    """What was set manually, in a few words beside the name.

    Args:
        group: Name of the group.
        edits: The manual edits.
    """
    words = ["fixed"] if is_held(group, edits) else []
    if least := least_of(group, edits):
        words.append(f"min {least:,}")
    if most := most_of(group, edits):
        words.append(f"max {most:,}")
    return ", ".join(words)


def with_width(network: Network, request: Request, *, group: str, to: int, hold: bool) -> Request:
    """The request with a manual width of a group, within its manual minimum and maximum.

    Args:
        network: The network.
        request: Recipe and edits.
        group: Name of the group.
        to: Units to keep.
        hold: Whether the other groups adjust so that the target is still met; decided by the
            first manual width alone.
    """
    filter_group, edits = network.group(group), request.edits
    to = min(max(int(to), 1, least_of(group, edits)), most_of(group, edits) or filter_group.size)
    if not edits.ratios:
        edits = replace(edits, makeup=hold)
    return replace(
        request, edits=edits.with_ratio(group, (filter_group.size - to) / filter_group.size)
    )


def with_makeup(request: Request, hold: bool) -> Request:
    """The request in which groups without a manual width adjust to the others, or do not.

    Args:
        request: Recipe and edits.
        hold: Whether they adjust so that the target is still met.
    """
    return replace(request, edits=replace(request.edits, makeup=hold))


def with_minimum(network: Network, request: Request, *, group: str, units: int | None) -> Request:
    """The request with a manual minimum of a group. A smaller manual width or maximum rises to it.

    Args:
        network: The network.
        request: Recipe and edits.
        group: Name of the group.
        units: Units to keep at least, None for no minimum.
    """
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
    """The request with a manual maximum of a group. A larger manual width or minimum falls to it.

    Args:
        network: The network.
        request: Recipe and edits.
        group: Name of the group.
        units: Units to keep at most, None for no maximum.
    """
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
    """The request in which a group is not pruned, or is pruned again; its manual width is removed.
    If the other groups cannot meet the target any more, it falls to what can be reached.

    Args:
        network: The network.
        request: Recipe and edits.
        group: Name of the group.
        locked: Whether it is not pruned.
        evidence: The evidence on which the reachable target depends.
    """
    edits = request.edits.with_ratio(group, None).with_protected(group, locked)
    after = replace(request, edits=edits)
    most = largest_reduction(Problem(network, after, evidence or Evidence()))
    if most < request.recipe.target_reduction:
        after = replace(after, recipe=replace(request.recipe, target_reduction=_down(most)))
    return after


def without_widths(request: Request, group: str | None = None) -> Request:
    """The request without manual widths.

    Args:
        request: Recipe and edits.
        group: Name of the group whose width is removed, None for all.
    """
    if group is None:
        return replace(request, edits=replace(request.edits, ratios=()))
    return replace(request, edits=request.edits.with_ratio(group, None))


def with_target(network: Network, request: Request, recipe: Recipe) -> Request:
    """The request with another goal or target. Manual widths are removed if no other group is left
    to adjust.

    Args:
        network: The network.
        request: Recipe and edits.
        recipe: The recipe with the new goal or target.
    """
    open_groups = [
        group
        for group in network.groups
        if not is_fixed(group, request.edits)
        and not is_left_tied(network, group, recipe)
        and not is_held(group.name, request.edits)
    ]
    keeps_widths = open_groups or not request.edits.makeup
    return Request(recipe, request.edits if keeps_widths else replace(request.edits, ratios=()))


def reduction(network: Network, kept: Mapping[str, int]) -> float:
    """Share of MACs saved, 0..0.99, rounded down to 6 digits; computed.

    Args:
        network: The network.
        kept: Units kept by group.
    """
    before, after = cost_of_widths(network, {}).macs, cost_of_widths(network, kept).macs
    return _down(1 - after / before if before else 0.0)


def _down(share: float) -> float:
    return min(max(math.floor(share * 1e6 + 1e-9) / 1e6, 0.0), 0.99)
