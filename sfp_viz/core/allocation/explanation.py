"""Why this ratio? The formula of the allocation with one group's numbers in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.bounds import on_steps
from sfp_viz.core.allocation.damage_curves import energy, functional_curves
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.reasons import held_by, why_ratio
from sfp_viz.core.allocation.suggestion import Allocation, allocate, curves_of, pooled_scores
from sfp_viz.core.cost.objective import WORDS
from sfp_viz.core.evidence.sensitivity import losses
from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError


@dataclass(frozen=True)
class Why:
    """Why a group keeps what it keeps: one or more sentences; the formula in LaTeX with this
    group's numbers, empty where no formula decided; and those numbers as (what, value) in words,
    in the order of the formula and of what was done to its result."""

    sentence: str
    formula_latex: str = ""
    numbers: tuple[tuple[str, str], ...] = ()


def why(problem: Problem, kept: Mapping[str, int], group: str) -> Why:
    """Why ``group`` keeps ``kept[group]`` units of the network.

    ``kept`` is what ``allocated_widths`` returned for the same problem; where it raises, or a
    person moved the group since, the sentence stands without the formula. Raises PlanError for a
    group that the network has not.
    """
    it, recipe = problem.network.group(group), problem.recipe
    if held := held_by(problem, it, kept[group]):
        return Why(held)
    plain = Why(why_ratio(problem, group, kept[group]))
    try:
        found = allocate(problem)
    except SfpError:
        return plain
    if found.kept[group] != kept[group]:
        return plain
    place = [g.name for g in problem.network.groups].index(group)
    if np.array_equal(found.widths.kept, found.high):
        if found.kept[group] == it.size:
            return Why(f"All {it.size:,} filters stay: the target is met without cutting any.")
        by_hand = "no more may stay by hand, and the target is met without cutting any other"
        return Why(f"{_stay(it, found)}: {by_hand}.")
    if recipe.allocation == "pooled":
        return _pooled(problem, found, place)
    if recipe.allocation == "functional":
        return _functional(problem, found, place)
    if recipe.allocation == "sensitivity":
        return _sensitive(problem, found, place)
    return _shared(problem, found, place)


def _shared(problem: Problem, found: Allocation, place: int) -> Why:
    """keep = tau * D ** gamma, or tau."""
    it, recipe = problem.network.groups[place], problem.recipe
    tau = found.widths.level
    wanted = float(found.widths.wanted[place])
    numbers = [("share that meets the target, τ", f"{tau:.4g}")]
    if recipe.allocation == "uniform":
        formula = rf"\text{{keep}} = \tau = {min(tau, 1):.3f}"
        how = f"the same share everywhere, {_percent(min(tau, 1))}"
    else:
        spread = problem.dispersions.get(it.name, 1.0)
        formula = (
            rf"\text{{keep}} = \min(1, \tau D^{{\gamma}}) = \min(1, {tau:.3g} \cdot "
            rf"{spread:.3f}^{{{recipe.gamma:g}}}) = {wanted / it.size:.3f}"
        )
        asked = "all" if wanted == it.size else _percent(wanted / it.size)
        how = (
            f"its Kernel Dispersion is {spread:.2f} (1 is as spread as random filters), and "
            f"{tau:.3g} · {spread:.2f} to the power {recipe.gamma:g} asks for {asked}"
        )
        numbers += [
            ("Kernel Dispersion of the group, D", f"{spread:.4f}"),
            ("exponent, γ", f"{recipe.gamma:g}"),
        ]
    numbers.append(("filters asked for", f"{wanted:.1f}"))
    after, words = _then(recipe, found, place, wanted)
    return Why(f"{_stay(it, found)}: {how}{words}.", formula, (*numbers, *after))


def _pooled(problem: Problem, found: Allocation, place: int) -> Why:
    it, recipe = problem.network.groups[place], problem.recipe
    level = found.widths.level
    wanted = float(found.widths.wanted[place])
    scores = pooled_scores(problem.network, recipe, problem.evidence)[place]
    numbers = [
        ("threshold for all groups, θ", f"{level:.4f}"),
        ("lowest and highest importance here", f"{scores.min():.4f} to {scores.max():.4f}"),
        ("filters that reach the threshold", f"{wanted:.0f}"),
    ]
    after, words = _then(recipe, found, place, wanted)
    how = (
        f"{wanted:.0f} have at least {level:.3f} times the group's mean importance, the one "
        "threshold for all groups"
    )
    formula = rf"\#\{{i : I_i / \bar{{I}} \ge {level:.3f}\}} = {wanted:.0f}"
    return Why(f"{_stay(it, found)}: {how}{words}.", formula, (*numbers, *after))


def _functional(problem: Problem, found: Allocation, place: int) -> Why:
    it, seen = problem.network.groups[place], problem.evidence.observations
    assert seen is not None
    gone = it.size - found.kept[it.name]
    lost, share = seen.elimination(it.name).errors[gone], energy(seen, it.name)
    damage = functional_curves(seen)[it.name][gone]
    formula = (
        rf"-\frac{{\operatorname{{tr}}(R\,C)}}{{P}} \ln(1 - e({gone})) = "
        rf"-{share:.3f} \ln(1 - {lost:.4f}) = {abs(damage):.4f}"
        if gone
        else ""
    )
    numbers = [
        ("energy the next layers read here, against the stream they disturb", f"{share:.4f}"),
        (f"share of it lost without {gone} filters, best refit", _percent(lost, 2)),
        *_prices(problem, found, place),
    ]
    after, words = _then(problem.recipe, found, place, float(found.widths.wanted[place]))
    how = (
        f"without the other {gone} the next layers lose {_percent(lost, 2)} of their input "
        "energy even with the best refit"
        if gone
        else "other groups can lose filters with a smaller error in their next layers"
    )
    note = f" ({seen.images:,} images of {seen.data}){words}."
    return Why(f"{_stay(it, found)}: {how}{note}", formula, (*numbers, *after))


def _sensitive(problem: Problem, found: Allocation, place: int) -> Why:
    it, known = problem.network.groups[place], problem.evidence.sensitivity
    assert known is not None
    gone = it.size - found.kept[it.name]
    lost = float(losses(known, it.name)[gone])
    numbers = [
        (f"points lost without {gone} filters of this group alone (estimated)", f"{lost:.2f}"),
        *_prices(problem, found, place),
    ]
    after, words = _then(problem.recipe, found, place, float(found.widths.wanted[place]))
    how = (
        f"cutting it alone so far costs {lost:.1f} points of accuracy"
        if gone
        else "other groups can lose filters with less accuracy lost"
    )
    note = f" (estimated from {known.images:,} images of {known.data}){words}."
    return Why(
        f"{_stay(it, found)}: {how}{note}",
        rf"\Delta_{{\text{{group}}}}({gone}) = {lost:.2f}",
        (*numbers, *after),
    )


def _prices(problem: Problem, found: Allocation, place: int) -> list[tuple[str, str]]:
    """Damage of the curve here, and the price at which the target was met."""
    it, recipe = problem.network.groups[place], problem.recipe
    curve = curves_of(recipe, problem.evidence).get(it.name)
    if curve is None:
        return []
    here = float(curve[it.size - found.kept[it.name]])
    each = f"damage accepted for each unit of {WORDS[recipe.goal]}"
    return [("damage of the curve here", f"{here:.4g}"), (each, f"{found.widths.level:.3g}")]


def _then(
    recipe: Recipe, found: Allocation, place: int, wanted: float
) -> tuple[list[tuple[str, str]], str]:
    """What rounding, bounds and giving back did to the units wanted, as numbers and in words."""
    low, high, step = int(found.low[place]), int(found.high[place]), found.step
    kept = int(found.widths.kept[place])
    least, most = (int(part[place]) for part in on_steps(found.low, found.high, step))
    rounded = int(np.floor(wanted / step + 0.5)) * step
    inside = min(max(rounded, least), most)
    numbers: list[tuple[str, str]] = []
    words: list[str] = []
    if step > 1 and rounded != wanted:
        numbers.append((f"rounded to a multiple of {step}", f"{rounded}"))
        words.append(f"rounded to {rounded}, a multiple of {step}")
    elif step < recipe.rounding:
        words.append(f"not rounded to {recipe.rounding}, which could not meet the target")
    if inside > rounded:
        numbers.append(("fewest that may stay", f"{low}"))
        words.append(f"no fewer than {low} may stay")
    elif inside < rounded:
        numbers.append(("most that may stay", f"{high}"))
        words.append(f"no more than {high} may stay")
    if kept > inside:
        numbers.append(("given back while the target holds", f"{kept - inside}"))
        words.append(f"{kept - inside} given back, as the target still holds")
    numbers.append(("filters that stay", f"{kept:,}"))
    return numbers, "".join(f"; {part}" for part in words)


def _stay(it: FilterGroup, found: Allocation) -> str:
    kept = found.kept[it.name]
    return (
        f"All {it.size:,} filters stay"
        if kept == it.size
        else f"{kept:,} of {it.size:,} filters stay"
    )


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
