"""What a gesture on a bar means for the recipe and the edits. Pure, so tested without a browser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sfp_viz.core.cost import cost_of_widths
from sfp_viz.core.edits import Edits
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.ratios import bounds
from sfp_viz.core.recipe import Recipe


@dataclass(frozen=True)
class Asked:
    """What was asked on one network: the recipe, and what was changed by hand."""

    recipe: Recipe
    edits: Edits


def is_fixed(group: FilterGroup, edits: Edits) -> bool:
    """Whether the group is left whole: it cannot be cut, or a person locked it."""
    return group.protected or group.name in edits.protected


def is_tied(group: FilterGroup, recipe: Recipe) -> bool:
    """Whether the recipe leaves the group whole until a person gives it a ratio."""
    return len(group.layers) > 1 and recipe.coupled == "protect"


def drag(
    network: Network, asked: Asked, kept: Mapping[str, int], *, group: str, to: int, hold: bool
) -> Asked:
    """``group`` shall keep ``to`` filters, where groups kept ``kept`` so far.

    With ``hold`` the target stands and the groups without a ratio by hand make up for it.
    Without it the other groups stay as they are: each takes its ratio as one by hand, and the
    target becomes the reduction that this comes to (rounded down to 6 digits, so it is met).
    """
    to = min(max(to, 1), network.group(group).size)
    edits = asked.edits.with_ratio(group, _ratio(network.group(group), to))
    if hold:
        return replace(asked, edits=edits)
    now = {**kept, group: to}
    by_hand = {name for name, _ in edits.ratios}
    for other in network.groups:
        whole = now.get(other.name, other.size) == other.size
        if is_fixed(other, edits) or (is_tied(other, asked.recipe) and whole):
            continue
        if other.name not in by_hand:
            edits = edits.with_ratio(other.name, _ratio(other, now.get(other.name, other.size)))
    target = reduction(network, now)
    return Asked(replace(asked.recipe, target_reduction=target), edits)


def lock(network: Network, asked: Asked, *, group: str, locked: bool) -> Asked:
    """Leave ``group`` whole, or free it again. Its ratio by hand goes.

    The others make up for a lock; where they cannot, the target falls to what can be reached.
    """
    edits = asked.edits.with_ratio(group, None).with_protected(group, locked)
    after = replace(asked, edits=edits)
    most = furthest(network, after)
    if most < asked.recipe.target_reduction:
        after = replace(after, recipe=replace(asked.recipe, target_reduction=most))
    return after


def aim(network: Network, asked: Asked, target: float) -> Asked:
    """Another target. Ratios by hand go when they leave no group to reach it with."""
    recipe = replace(asked.recipe, target_reduction=target)
    by_hand = {name for name, _ in asked.edits.ratios}
    open_groups = [
        group
        for group in network.groups
        if not is_fixed(group, asked.edits)
        and not is_tied(group, recipe)
        and group.name not in by_hand
    ]
    return Asked(recipe, asked.edits if open_groups else replace(asked.edits, ratios=()))


def reduction(network: Network, kept: Mapping[str, int]) -> float:
    """Share of MACs saved, 0..0.99, rounded down to 6 digits; computed."""
    before, after = cost_of_widths(network, {}).macs, cost_of_widths(network, kept).macs
    saved = 1 - after / before if before else 0.0
    return min(max(math.floor(saved * 1e6) / 1e6, 0.0), 0.99)


def furthest(network: Network, asked: Asked) -> float:
    """The largest reduction that the recipe's bounds and the edits allow, 0..0.99."""
    fewest, _ = bounds(network, asked.recipe, asked.edits)
    return reduction(network, {g.name: int(n) for g, n in zip(network.groups, fewest, strict=True)})


def _ratio(group: FilterGroup, kept: int) -> float:
    return (group.size - kept) / group.size
