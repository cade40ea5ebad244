"""Why a group keeps as many filters as it does: the sentence, the formula and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.core.allocation.explanation import Adjustment, WidthFormula
from sfp_viz.core.allocation.reasons import WidthReason, WidthReasonKind
from sfp_viz.core.allocation.rounding import Unrounded
from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.text.groups import cause_sentence
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import goal_name

_ELSEWHERE: Mapping[Strategy, str] = {
    "dispersion": "with a Kernel Dispersion of {dispersion} the target can be met by other groups",
    "uniform": "the target can be met without pruning any",
    "pooled": "all of them are above the importance threshold that meets the target",
    "functional": "other groups can lose filters with a smaller error in their next layers",
    "sensitivity": "other groups can lose filters with a smaller loss of accuracy",
}
_ALLOCATED: Mapping[Strategy, str] = {
    "dispersion": (
        "its Kernel Dispersion is {dispersion} (1 is as diverse as random filters), so its "
        "weight is {dispersion} to the power {gamma}, {weight}, when a reduction of {reduction} of "
        "the {goal} is allocated"
    ),
    "uniform": "the recipe removes the same share from every group",
    "pooled": "they reach the importance threshold that all groups share",
    "functional": (
        "for the cost it saves, pruning more here would add more error in the next layers than in "
        "other groups"
    ),
    "sensitivity": (
        "for the cost it saves, pruning more here would lose more accuracy than in other groups"
    ),
}
_REASONS: Mapping[WidthReasonKind, str] = {
    "locked": "the group is locked manually",
    "ratio": "a ratio of {ratio} is set manually",
    "most": "a maximum of {value:,.0f} is set manually",
    "unmeasured": "the group was not measured",
    "unobserved": "the group was not observed, because no layer reads its channels one by one",
    "tied": "the recipe does not prune layers that are tied together",
    "target_met": "the target is met without pruning any",
    "max_ratio": (
        "its Kernel Dispersion is only {dispersion}, and no group may lose more than {max_ratio} "
        "of its filters"
    ),
}
Number = tuple[str, str]  # what it is, and its value


def width_sentence(reason: WidthReason | WidthFormula) -> str:
    """Why a group keeps as many filters as it does, in one or two sentences."""
    if isinstance(reason, WidthReason):
        return _reason_sentence(reason)
    change = _adjustment_text(reason.recipe.rounding, reason.adjustment)
    return f"{_kept(reason.group, reason.adjustment.kept)}: {_formula_text(reason)}{change}."


def width_latex(formula: WidthReason | WidthFormula) -> str:
    """The formula in LaTeX with the group's numbers; '' where no formula decided."""
    if isinstance(formula, WidthReason):
        return ""
    recipe, size, wanted = formula.recipe, formula.group.size, formula.adjustment.wanted
    if recipe.allocation == "uniform":
        return rf"\text{{keep}} = \tau = {min(formula.level, 1):.3f}"
    if recipe.allocation == "dispersion":
        return (
            rf"\text{{keep}} = \min(1, \tau D^{{\gamma}}) = \min(1, {formula.level:.3g} \cdot "
            rf"{formula.dispersion:.3f}^{{{recipe.gamma:g}}}) = {wanted / size:.3f}"
        )
    if recipe.allocation == "pooled":
        return rf"\#\{{i : I_i / \bar{{I}} \ge {formula.level:.3f}\}} = {wanted:.0f}"
    if recipe.allocation == "sensitivity":
        return rf"\Delta_{{\text{{group}}}}({formula.pruned}) = {formula.lost:.2f}"
    if not formula.pruned:
        return ""
    return (
        rf"-\frac{{\operatorname{{tr}}(R\,C)}}{{P}} \ln(1 - e({formula.pruned})) = "
        rf"-{formula.energy:.3f} \ln(1 - {formula.lost:.4f}) = {abs(formula.damage or 0.0):.4f}"
    )


def width_numbers(formula: WidthReason | WidthFormula) -> tuple[Number, ...]:
    """The numbers of the formula, and those of what changed its result, in their order."""
    if isinstance(formula, WidthReason):
        return ()
    return (*_formula_numbers(formula), *_adjustment_numbers(formula.adjustment))


def _reason_sentence(reason: WidthReason) -> str:
    kept, recipe = _kept(reason.group, reason.kept), reason.recipe
    if reason.kind == "protected":
        return f"{kept}. {cause_sentence(reason.group)}"
    if reason.removed and reason.kind in ("unmeasured", "unobserved", "tied"):
        kept += f", except for the {reason.removed:,} removed manually"
    words = _reason_words(reason).format(
        value=reason.value,
        ratio=percent(reason.value, 0),
        dispersion=f"{reason.dispersion:.2f}",
        weight=f"{max(reason.dispersion, 0) ** recipe.gamma:.2f}",
        gamma=f"{recipe.gamma:g}",
        max_ratio=percent(recipe.max_ratio, 0),
        reduction=percent(recipe.target_reduction, 0),
        goal=goal_name(recipe.goal),
    )
    return f"{kept}: {words}."


def _reason_words(reason: WidthReason) -> str:
    """What decided, as a template of ``_reason_sentence``."""
    allocation = reason.recipe.allocation
    if reason.kind == "elsewhere":
        return _ELSEWHERE[allocation]
    if reason.kind == "allocation":
        return _ALLOCATED[allocation]
    if reason.kind == "target_met" and reason.kept < reason.group.size:
        return "this is the maximum set manually, and the target is met without pruning any others"
    return _REASONS[reason.kind]


def _formula_text(formula: WidthFormula) -> str:
    recipe, wanted, size = formula.recipe, formula.adjustment.wanted, formula.group.size
    if recipe.allocation == "uniform":
        return f"every group keeps the same share, {percent(min(formula.level, 1), 0)}"
    if recipe.allocation == "dispersion":
        share = "all" if wanted == size else percent(wanted / size, 0)
        return (
            f"its Kernel Dispersion is {formula.dispersion:.2f} (1 is as diverse as random "
            f"filters), and {formula.level:.3g} · {formula.dispersion:.2f} to the power "
            f"{recipe.gamma:g} gives {share}"
        )
    if recipe.allocation == "pooled":
        return (
            f"{wanted:.0f} have at least {formula.level:.3f} times the group's mean importance, "
            "which is the threshold for all groups"
        )
    if recipe.allocation == "functional":
        how = (
            f"without the other {formula.pruned:,} the next layers lose "
            f"{percent(formula.lost, 2)} of their input energy even with the best refit"
            if formula.pruned
            else _ELSEWHERE["functional"]
        )
        return f"{how} ({formula.images:,} images of {formula.data})"
    how = (
        f"pruning it alone to this width costs {formula.lost:.1f} points of accuracy"
        if formula.pruned
        else _ELSEWHERE["sensitivity"]
    )
    return f"{how} (estimated from {formula.images:,} images of {formula.data})"


def _formula_numbers(formula: WidthFormula) -> list[Number]:
    recipe, wanted, pruned = formula.recipe, formula.adjustment.wanted, formula.pruned
    if recipe.allocation in ("uniform", "dispersion"):
        numbers = [("share that meets the target, τ", f"{formula.level:.4g}")]
        if recipe.allocation == "dispersion":
            numbers += [
                ("Kernel Dispersion of the group, D", f"{formula.dispersion:.4f}"),
                ("exponent, γ", f"{recipe.gamma:g}"),
            ]
        return [*numbers, ("filters by the formula", f"{wanted:.1f}")]
    if recipe.allocation == "pooled":
        lowest, highest = formula.importances
        return [
            ("threshold for all groups, θ", f"{formula.level:.4f}"),
            ("lowest and highest importance in the group", f"{lowest:.4f} to {highest:.4f}"),
            ("filters that reach the threshold", f"{wanted:.0f}"),
        ]
    if recipe.allocation == "functional":
        numbers = [
            ("energy that the next layers read here, relative to their stream",
             f"{formula.energy:.4f}"),
            (f"share of it lost without {pruned} filters, after the best refit",
             percent(formula.lost, 2)),
        ]  # fmt: skip
    else:
        what = f"points lost without {pruned} filters of this group alone (estimated)"
        numbers = [(what, f"{formula.lost:.2f}")]
    if formula.damage is not None:
        unit = f"damage accepted per unit of {goal_name(recipe.goal)}"
        numbers += [("damage at this width", f"{formula.damage:.4g}"),
                    (unit, f"{formula.level:.3g}")]  # fmt: skip
    return numbers


def _adjustment_text(rounding: int, change: Adjustment) -> str:
    """What rounding, bounds and giving back did, as further parts of a sentence."""
    clauses = []
    if change.step > 1 and change.rounded != change.wanted:
        clauses.append(f"rounded to {change.rounded:,}, a multiple of {change.step}")
    elif change.step < rounding:
        clauses.append(f"not rounded to {rounding}, which could not meet the target")
    if change.bounded > change.rounded:
        clauses.append(f"at least {change.low:,} must be kept")
    elif change.bounded < change.rounded:
        clauses.append(f"at most {change.high:,} may be kept")
    if change.kept > change.bounded:
        clauses.append(
            f"{change.kept - change.bounded:,} added back, because the target still holds"
        )
    return "".join(f"; {clause}" for clause in clauses)


def _adjustment_numbers(change: Adjustment) -> list[Number]:
    numbers = []
    if change.step > 1 and change.rounded != change.wanted:
        numbers.append((f"rounded to a multiple of {change.step}", f"{change.rounded}"))
    if change.bounded > change.rounded:
        numbers.append(("fewest that may be kept", f"{change.low}"))
    elif change.bounded < change.rounded:
        numbers.append(("most that may be kept", f"{change.high}"))
    if change.kept > change.bounded:
        added_back = f"{change.kept - change.bounded}"
        numbers.append(("added back while the target holds", added_back))
    return [*numbers, ("filters kept", f"{change.kept:,}")]


def _kept(group: FilterGroup, kept: int) -> str:
    if kept == group.size:
        return f"All {group.size:,} filters are kept"
    return f"{kept:,} of {group.size:,} filters are kept"


def unrounded_sentence(unrounded: Unrounded) -> str:
    """Which pruned groups keep no multiple of the recipe's rounding, and why."""
    rounding, sentences = unrounded.rounding, []
    if unrounded.by_target:
        sentences.append(
            f"{_names(unrounded.by_target)} could not be rounded to multiples of {rounding}: with "
            f"multiples alone at most {100 * unrounded.most:.1f} % can be removed."
        )
    if unrounded.by_hand:
        sentences.append(
            f"{_names(unrounded.by_hand)} is not rounded to multiples of {rounding}, because its "
            "width was set by hand."
            if len(unrounded.by_hand) == 1
            else f"{_names(unrounded.by_hand)} are not rounded to multiples of {rounding}, because "
            "their widths were set by hand."
        )
    return " ".join(sentences)


def _names(groups: Sequence[str]) -> str:
    return ", ".join(groups[:4]) + f" and {len(groups) - 4} more groups" * (len(groups) > 4)
