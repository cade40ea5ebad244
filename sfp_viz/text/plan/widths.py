"""Why a group keeps as many filters as it does: the sentence, the formula and its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from sfp_viz.core.allocation.explanation import Adjustment, WidthFormula
from sfp_viz.core.allocation.reasons import WidthReason
from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.text.groups import cause_sentence
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import goal_name

_ELSEWHERE: Mapping[Strategy, str] = {
    "uniform": "the target can be met without pruning any",
    "pooled": "all of them are above the importance threshold that meets the target",
    "functional": "other groups can lose filters with a smaller error in their next layers",
    "sensitivity": "other groups can lose filters with a smaller loss of accuracy",
}
_ALLOCATED: Mapping[Strategy, str] = {
    "uniform": "the recipe removes the same share everywhere",
    "pooled": "they reach the one threshold on the importance of all filters",
    "functional": "for what the others cost, the next layers can best make up for them here",
    "sensitivity": "for what the others cost, the measured accuracy falls least here",
}
Number = tuple[str, str]  # what it is, and its value


def width_sentence(found: WidthReason | WidthFormula) -> str:
    """Why a group keeps as many filters as it does, in one or two sentences."""
    if isinstance(found, WidthReason):
        return _reason_sentence(found)
    change = _adjustment_text(found.recipe.rounding, found.adjustment)
    return f"{_kept(found.group, found.adjustment.kept)}: {_formula_text(found)}{change}."


def width_latex(found: WidthReason | WidthFormula) -> str:
    """The formula in LaTeX with the group's numbers; '' where no formula decided."""
    if isinstance(found, WidthReason):
        return ""
    recipe, size, wanted = found.recipe, found.group.size, found.adjustment.wanted
    if recipe.allocation == "uniform":
        return rf"\text{{keep}} = \tau = {min(found.level, 1):.3f}"
    if recipe.allocation == "dispersion":
        return (
            rf"\text{{keep}} = \min(1, \tau D^{{\gamma}}) = \min(1, {found.level:.3g} \cdot "
            rf"{found.dispersion:.3f}^{{{recipe.gamma:g}}}) = {wanted / size:.3f}"
        )
    if recipe.allocation == "pooled":
        return rf"\#\{{i : I_i / \bar{{I}} \ge {found.level:.3f}\}} = {wanted:.0f}"
    if recipe.allocation == "sensitivity":
        return rf"\Delta_{{\text{{group}}}}({found.pruned}) = {found.lost:.2f}"
    if not found.pruned:
        return ""
    return (
        rf"-\frac{{\operatorname{{tr}}(R\,C)}}{{P}} \ln(1 - e({found.pruned})) = "
        rf"-{found.energy:.3f} \ln(1 - {found.lost:.4f}) = {abs(found.damage or 0.0):.4f}"
    )


def width_numbers(found: WidthReason | WidthFormula) -> tuple[Number, ...]:
    """The numbers of the formula, and those of what changed its result, in their order."""
    if isinstance(found, WidthReason):
        return ()
    return (*_formula_numbers(found), *_adjustment_numbers(found.adjustment))


def _reason_sentence(found: WidthReason) -> str:
    kept = _kept(found.group, found.kept)
    removed = f", except for the {found.removed:,} removed by hand" if found.removed else ""
    dispersion, recipe = f"{found.dispersion:.2f}", found.recipe
    match found.kind:
        case "protected":
            return f"{kept}. {cause_sentence(found.group)}"
        case "locked":
            return f"{kept}: the group is locked by hand."
        case "ratio":
            return f"{kept}: a ratio of {percent(found.value, 0)} is set by hand."
        case "most":
            return f"{kept}: at most {found.value:,.0f} is set by hand."
        case "unmeasured":
            return f"{kept}{removed}: the group was not measured."
        case "unobserved":
            return (
                f"{kept}{removed}: the group was not observed, because no layer reads its "
                "channels one by one."
            )
        case "tied":
            return f"{kept}{removed}: the recipe leaves layers that are tied together whole."
        case "target_met" if found.kept == found.group.size:
            return f"{kept}: the target is met without pruning any."
        case "target_met":
            return (
                f"{kept}: this is the maximum set by hand, and the target is met without pruning "
                "any others."
            )
        case "elsewhere":
            how = f"with a Kernel Dispersion of {dispersion} the target can be met elsewhere"
            return f"{kept}: {_ELSEWHERE.get(recipe.allocation, how)}."
        case "max_ratio":
            return (
                f"{kept}: its Kernel Dispersion is only {dispersion}, and no group may lose more "
                f"than {percent(recipe.max_ratio, 0)}."
            )
    if recipe.allocation in _ALLOCATED:
        return f"{kept}: {_ALLOCATED[recipe.allocation]}."
    weight = max(found.dispersion, 0) ** recipe.gamma
    return (
        f"{kept}: its Kernel Dispersion is {dispersion} (1 is as dispersed as random filters). To "
        f"the power {recipe.gamma:g} its weight is {weight:.2f} when a reduction of "
        f"{percent(recipe.target_reduction, 0)} of the {goal_name(recipe.goal)} is allocated."
    )


def _formula_text(found: WidthFormula) -> str:
    recipe, wanted, size = found.recipe, found.adjustment.wanted, found.group.size
    if recipe.allocation == "uniform":
        return f"the same share everywhere, {percent(min(found.level, 1), 0)}"
    if recipe.allocation == "dispersion":
        share = "all" if wanted == size else percent(wanted / size, 0)
        return (
            f"its Kernel Dispersion is {found.dispersion:.2f} (1 is as dispersed as random "
            f"filters), and {found.level:.3g} · {found.dispersion:.2f} to the power "
            f"{recipe.gamma:g} gives {share}"
        )
    if recipe.allocation == "pooled":
        return (
            f"{wanted:.0f} have at least {found.level:.3f} times the group's mean importance, the "
            "one threshold for all groups"
        )
    if recipe.allocation == "functional":
        how = (
            f"without the other {found.pruned:,} the next layers lose {percent(found.lost, 2)} of "
            "their input energy even with the best refit"
            if found.pruned
            else _ELSEWHERE["functional"]
        )
        return f"{how} ({found.images:,} images of {found.data})"
    how = (
        f"pruning it alone to this width costs {found.lost:.1f} points of accuracy"
        if found.pruned
        else _ELSEWHERE["sensitivity"]
    )
    return f"{how} (estimated from {found.images:,} images of {found.data})"


def _formula_numbers(found: WidthFormula) -> list[Number]:
    recipe, wanted, pruned = found.recipe, found.adjustment.wanted, found.pruned
    if recipe.allocation in ("uniform", "dispersion"):
        numbers = [("share that meets the target, τ", f"{found.level:.4g}")]
        if recipe.allocation == "dispersion":
            numbers += [
                ("Kernel Dispersion of the group, D", f"{found.dispersion:.4f}"),
                ("exponent, γ", f"{recipe.gamma:g}"),
            ]
        return [*numbers, ("filters by the formula", f"{wanted:.1f}")]
    if recipe.allocation == "pooled":
        lowest, highest = found.importances
        return [
            ("threshold for all groups, θ", f"{found.level:.4f}"),
            ("lowest and highest importance here", f"{lowest:.4f} to {highest:.4f}"),
            ("filters that reach the threshold", f"{wanted:.0f}"),
        ]
    if recipe.allocation == "functional":
        numbers = [
            ("energy the next layers read here, against the stream they disturb",
             f"{found.energy:.4f}"),
            (f"share of it lost without {pruned} filters, best refit", percent(found.lost, 2)),
        ]  # fmt: skip
    else:
        what = f"points lost without {pruned} filters of this group alone (estimated)"
        numbers = [(what, f"{found.lost:.2f}")]
    if found.damage is not None:
        unit = f"damage accepted for each unit of {goal_name(recipe.goal)}"
        numbers += [("damage of the curve here", f"{found.damage:.4g}"),
                    (unit, f"{found.level:.3g}")]  # fmt: skip
    return numbers


def _adjustment_text(rounding: int, change: Adjustment) -> str:
    """What rounding, bounds and giving back did, as further parts of a sentence."""
    parts = []
    if change.step > 1 and change.rounded != change.wanted:
        parts.append(f"rounded to {change.rounded:,}, a multiple of {change.step}")
    elif change.step < rounding:
        parts.append(f"not rounded to {rounding}, which could not meet the target")
    if change.bounded > change.rounded:
        parts.append(f"at least {change.low:,} must be kept")
    elif change.bounded < change.rounded:
        parts.append(f"at most {change.high:,} may be kept")
    if change.kept > change.bounded:
        parts.append(f"{change.kept - change.bounded:,} given back, as the target still holds")
    return "".join(f"; {part}" for part in parts)


def _adjustment_numbers(change: Adjustment) -> list[Number]:
    numbers = []
    if change.step > 1 and change.rounded != change.wanted:
        numbers.append((f"rounded to a multiple of {change.step}", f"{change.rounded}"))
    if change.bounded > change.rounded:
        numbers.append(("fewest that may be kept", f"{change.low}"))
    elif change.bounded < change.rounded:
        numbers.append(("most that may be kept", f"{change.high}"))
    if change.kept > change.bounded:
        given_back = f"{change.kept - change.bounded}"
        numbers.append(("given back while the target holds", given_back))
    return [*numbers, ("filters kept", f"{change.kept:,}")]


def _kept(group: FilterGroup, kept: int) -> str:
    if kept == group.size:
        return f"All {group.size:,} filters are kept"
    return f"{kept:,} of {group.size:,} filters are kept"
