"""Why a group keeps what it keeps, in one sentence, from what its caller already knows."""

from __future__ import annotations

import numpy as np

from sfp_viz.core.allocation.bounds import unseen
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.objective import WORDS
from sfp_viz.core.network import FilterGroup

_ELSEWHERE = {
    "pooled": "all of them are above the threshold on importance that meets the target",
    "functional": "the others can lose filters with a smaller error in their next layers",
    "sensitivity": "the others can lose filters with less accuracy lost",
}
_BY = {
    "uniform": "the recipe removes the same share everywhere",
    "pooled": "as many as reach one threshold on the importance of all filters",
    "functional": "the next layers can make up for the others best here, for what they cost",
    "sensitivity": "measured accuracy falls least here, for what they cost",
}


def why_ratio(problem: Problem, group: str, kept: int) -> str:
    """One sentence that says why ``group`` keeps ``kept`` of its units; see why.py for more."""
    it, recipe = problem.network.group(group), problem.recipe
    dispersion = problem.dispersions.get(group, 1.0)
    part = f"{kept:,} of {it.size:,} filters stay"
    if it.protected:
        return f"All {it.size:,} filters stay: {it.protection}."
    if len(it.layers) > 1 and recipe.coupled == "protect" and kept == it.size:
        return (
            f"All {it.size:,} filters stay: the recipe leaves layers that are tied together whole."
        )
    if kept == it.size:
        how = f"with a Kernel Dispersion of {dispersion:.2f} the target can be met elsewhere"
        if recipe.allocation == "uniform":
            how = "the target can be met without cutting any"
        return f"All {it.size:,} filters stay: {_ELSEWHERE.get(recipe.allocation, how)}."
    if recipe.allocation in _BY:
        return f"{part}: {_BY[recipe.allocation]}."
    if kept <= np.ceil((1 - recipe.max_ratio) * it.size - 1e-9):
        return (
            f"{part}: its Kernel Dispersion is only {dispersion:.2f}, and no group may lose more "
            f"than {100 * recipe.max_ratio:.0f} %."
        )
    return (
        f"{part}: its Kernel Dispersion is {dispersion:.2f} (1 is as spread as random filters), "
        f"which to the power {recipe.gamma:g} weighs {max(dispersion, 0) ** recipe.gamma:.2f} in "
        f"sharing out {100 * recipe.target_reduction:.0f} % of the {WORDS[recipe.goal]} to save."
    )


def held_by(problem: Problem, it: FilterGroup, kept: int) -> str:
    """What fixes the group whatever the allocation says; '' where nothing does."""
    recipe, edits = problem.recipe, problem.edits
    whole = f"All {it.size:,} filters stay"
    if it.protected:
        return f"{whole}: {it.protection}."
    if it.name in edits.protected:
        return f"{whole}: the group is locked by hand."
    ratio = dict(edits.ratios).get(it.name)
    if ratio is not None:
        return (
            f"{kept:,} of {it.size:,} filters stay: a ratio of {100 * ratio:.0f} % is set by hand."
        )
    at_most = dict(edits.most).get(it.name)
    gone = sum(name == it.name for name, _ in edits.remove)
    but = f", but the {gone} removed by hand" if gone else ""
    if it.name in unseen(problem):
        how = "observed: no layer reads its channels one by one"
        known = problem.evidence.sensitivity
        if recipe.allocation == "sensitivity" and known and it.name not in known.right:
            how = "measured"
        if at_most is None:
            return f"{whole}{but}: the group was not {how}."
    if at_most is not None and kept < it.size and _never_shared(problem, it):
        return f"{kept:,} of {it.size:,} filters stay: at most {at_most:,} is set by hand."
    if len(it.layers) > 1 and recipe.coupled == "protect":
        return f"{whole}{but}: the recipe leaves layers that are tied together whole."
    return ""


def _never_shared(problem: Problem, it: FilterGroup) -> bool:
    """Whether the recipe leaves the group whole of itself: tied, or nothing is known of it."""
    tied = len(it.layers) > 1 and problem.recipe.coupled == "protect"
    return tied or it.name in unseen(problem)
