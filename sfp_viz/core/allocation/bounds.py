"""Fewest and most units that each group may keep, by the network, the recipe and the edits."""

from __future__ import annotations

import numpy as np

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import all_tied
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError


def bounds(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most units that each group may keep, int64 [groups] each, in network order.

    A ratio by hand sets both; a lock and a protected group keep all; ``least``, ``most`` and the
    recipe's ``max_ratio`` bound the rest, and filters kept or removed by hand bound every group.
    ``most`` comes before ``max_ratio``, cuts a group that is tied or not seen down to it, and is
    rounded down to the recipe's multiple where one is left. Groups that the evidence says nothing
    about (see ``unseen_groups``) are kept whole too.

    Raises:
        PlanError: An edit does not fit the network.
    """
    network, recipe, edits = problem.network, problem.recipe, problem.edits
    if edits.digest != network.digest:
        raise PlanError(
            f"The edits were made on other weights ({edits.digest}, here {network.digest}). "
            "Open the network they belong to, or start without edits."
        )
    pairs = (edits.ratios, edits.keep, edits.remove, edits.least, edits.most)
    for name in (*(name for edited in pairs for name in dict(edited)), *edits.protected):
        network.group(name)  # raises PlanError for a name that the network has not
    skipped = unseen_groups(problem)
    whole = skipped | {g.name for g in network.groups if is_left_tied(network, g, recipe)}
    ranges = [_range(group, recipe, edits, group.name in whole) for group in network.groups]
    low, high = np.array(ranges, dtype=np.int64).reshape(-1, 2).T
    return low, high


def is_left_tied(network: Network, group: FilterGroup, recipe: Recipe) -> bool:
    """Whether the recipe leaves the group whole because its layers are tied, unless it has a manual
    width.

    Args:
        network: The network; where all its groups are tied, none is left whole for that.
        group: One of its groups.
        recipe: The recipe.
    """
    return len(group.layers) > 1 and recipe.coupled == "protect" and not all_tied(network)


def unseen_groups(problem: Problem) -> frozenset[str]:
    """Free groups of which the evidence says nothing that the recipe goes by: they stay whole.

    Not observed (no layer reads them channel by channel) or, for 'sensitivity', not measured.
    """
    recipe, evidence = problem.recipe, problem.evidence
    known: list[set[str]] = []
    observations = evidence.observations
    if observations is not None:
        by_activations = (recipe.allocation, recipe.criterion, recipe.similarity)
        if {"functional", "reconstruction", "activation"} & set(by_activations):
            known.append(set(observations.covariance))
        if recipe.criterion in observations.scores:
            known.append(set(observations.scores[recipe.criterion]))
    if evidence.sensitivity is not None and recipe.allocation == "sensitivity":
        known.append(set(evidence.sensitivity.right))
    return frozenset(
        g.name for g in problem.network.free if any(g.name not in groups for groups in known)
    )


def stepped_bounds(low: np.ndarray, high: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Bounds moved onto multiples of ``step``; what has no multiple inside stays as it is.

    Args:
        low: Fewest units, int64 [groups].
        high: Most units, int64 [groups].
        step: Units between two widths, 1 or more.

    Returns:
        Fewest and most units [groups]; the most may be no multiple, and is taken as it is.
    """
    least, most = -(-low // step) * step, high // step * step
    least = np.where(least > high, high, least)
    free = (low < high) & (most >= least)
    return np.where(free, least, np.where(low < high, high, low)), high


def _range(group: FilterGroup, recipe: Recipe, edits: Edits, skipped: bool) -> tuple[int, int]:
    stay = [unit for name, unit in edits.keep if name == group.name]
    gone = [unit for name, unit in edits.remove if name == group.name]
    ratio = dict(edits.ratios).get(group.name)
    least = dict(edits.least).get(group.name, 1)
    if any(not 0 <= unit < group.size for unit in (*stay, *gone)):
        raise PlanError(f"'{group.name}' has filters 0 to {group.size - 1}; an edit names others.")
    if least > group.size:
        raise PlanError(f"'{group.name}' has {group.size:,} filters; it cannot keep {least:,}.")
    at_most = dict(edits.most).get(group.name, group.size)
    if group.protected:
        if ratio or gone or at_most < group.size:
            raise PlanError(f"'{group.name}' cannot be cut ({group.protection}). Undo that edit.")
        return group.size, group.size
    if group.name in edits.protected:
        return group.size, group.size
    most = group.size - len(gone)
    if most < 1:
        raise PlanError(f"Every filter of '{group.name}' is marked for removal; keep at least one.")
    if ratio is not None:
        kept = group.size - int(np.floor(ratio * group.size + 0.5))
        kept = min(max(kept, len(stay), 1), most)
        return kept, kept
    if at_most < most:
        most = _at_most(group, recipe, at_most, max(len(stay), least))
    if skipped:
        return most, most
    fewest = int(np.ceil((1 - recipe.max_ratio) * group.size - 1e-9))
    return min(max(fewest, len(stay), least, 1), most), most


def _at_most(group: FilterGroup, recipe: Recipe, units: int, fewest: int) -> int:
    """A maximum by hand, on the recipe's steps where ``fewest`` units allow it."""
    if units < fewest:
        raise PlanError(
            f"'{group.name}' may keep at most {units:,} filters, but {fewest:,} must be kept. Undo "
            "one of the two edits."
        )
    stepped = units // recipe.rounding * recipe.rounding
    return stepped if stepped >= fewest else units
