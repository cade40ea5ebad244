"""Why this ratio: the numbers are those that the widths came from."""

import pytest

from sfp_viz.core.allocation.allocate import allocate, allocated_widths
from sfp_viz.core.allocation.explanation import WidthFormula, explain_width
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.reasons import WidthReason, width_reason
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import loss
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from tests.core.fake_evidence import evidence_of

SPREAD = {"conv1": 0.9, "conv2": 0.4, "conv3": 0.7}


def explained(network, recipe, group, edits=None, evidence=None, spread=SPREAD):
    problem = Problem(network, Request.of(recipe, edits), evidence or Evidence(), spread)
    return explain_width(problem, allocated_widths(problem), group)


def formula(*args, **more) -> WidthFormula:
    found = explained(*args, **more)
    assert isinstance(found, WidthFormula)
    return found


def reason(*args, **more) -> WidthReason:
    found = explained(*args, **more)
    assert isinstance(found, WidthReason)
    return found


def test_the_formula_of_dispersion_gives_the_width(plain):
    allocation = allocate(Problem(plain, Request(Recipe()), dispersions=SPREAD))
    found = formula(plain, Recipe(), "conv2")
    assert (found.level, found.dispersion) == (allocation.widths.level, 0.4)
    change = found.adjustment
    assert change.wanted == pytest.approx(24 * found.level * 0.4**2)
    assert change.rounded == change.bounded == round(change.wanted)
    assert change.kept == allocation.kept["conv2"] >= change.bounded
    assert found.pruned == 24 - change.kept


def test_pooled_names_the_threshold_and_the_importances(plain):
    recipe = Recipe(allocation="pooled")
    found = formula(plain, recipe, "conv2")
    assert found.level == allocate(Problem(plain, Request(recipe))).widths.level
    assert found.importances[0] < 1 < found.importances[1]


def test_functional_names_what_the_next_layers_lose(plain):
    evidence, recipe = evidence_of(plain), Recipe(allocation="functional")
    kept = allocated_widths(Problem(plain, Request(recipe), evidence, SPREAD))
    name = next(name for name, units in kept.items() if units < plain.group(name).size)
    found = formula(plain, recipe, name, evidence=evidence)
    assert found.lost == evidence.observations.elimination(name).errors[found.pruned]
    assert (found.images, found.data) == (8, "made up, train")
    assert found.damage is not None
    assert found.damage > 0


def test_sensitivity_names_the_points(plain):
    evidence, recipe = evidence_of(plain), Recipe(allocation="sensitivity")
    kept = allocated_widths(Problem(plain, Request(recipe), evidence, SPREAD))
    name = next(name for name, units in kept.items() if units < plain.group(name).size)
    found = formula(plain, recipe, name, evidence=evidence)
    assert found.lost == pytest.approx(loss(evidence.sensitivity, name, kept[name]))
    assert found.images == 1000


@pytest.mark.parametrize(
    ("allocation", "kind"), [("functional", "unobserved"), ("sensitivity", "unmeasured")]
)
def test_a_group_that_was_not_seen_says_so(plain, allocation, kind):
    found = reason(
        plain, Recipe(allocation=allocation, target_reduction=0.2), "conv2",
        evidence=evidence_of(plain, skip=("conv2",)),
    )  # fmt: skip
    assert (found.kind, found.kept) == (kind, 24)


def test_what_a_person_fixed_comes_first(plain, concat, residual):
    edits = Edits(plain.digest).with_protected("conv1", True).with_ratio("conv2", 0.25)
    assert reason(plain, Recipe(), "conv1", edits).kind == "locked"
    found = reason(plain, Recipe(), "conv2", edits)
    assert (found.kind, found.value, found.kept) == ("ratio", 0.25, 18)
    assert reason(concat, Recipe(), "head", spread={}).kind == "protected"
    recipe = Recipe(target_reduction=0.2)
    assert reason(residual, recipe, "stem", spread={}).kind == "tied"
    most = Edits(residual.digest).with_most("stem", 5)
    found = reason(residual, recipe, "stem", most, spread={})
    assert (found.kind, found.value) == ("most", 5)


def test_bounds_and_rounding_are_told(plain):
    edits = Edits(plain.digest).with_least("conv2", 20)
    change = formula(plain, Recipe(), "conv2", edits).adjustment
    assert change.bounded == change.low == 20 > change.rounded
    most = Edits(plain.digest).with_most("conv2", 6)
    assert reason(plain, Recipe(0.3), "conv2", most).kind == "target_met"
    change = formula(plain, Recipe(0.8), "conv2", most.with_most("conv2", 4)).adjustment
    assert change.bounded == change.high == 4 < change.rounded
    change = formula(plain, Recipe(rounding=8), "conv2").adjustment
    assert (change.step, change.rounded % 8) == (8, 0)
    # Multiples of 16 leave too much: 16 * 16 and more everywhere.
    recipe = Recipe(rounding=16, target_reduction=0.9)
    assert formula(plain, recipe, "conv2").adjustment.step == 1


def test_a_width_that_nobody_suggested_gets_the_plain_reason(plain):
    problem = Problem(plain, Request(Recipe()), dispersions=SPREAD)
    kept = {**allocated_widths(problem), "conv2": 23}
    found = explain_width(problem, kept, "conv2")
    assert found == width_reason(problem, "conv2", 23)


@pytest.mark.parametrize("allocation", ["dispersion", "uniform", "pooled", "functional"])
def test_every_group_of_every_plan_has_a_reason(residual, allocation):
    evidence = evidence_of(residual)
    for target in (0.0, 0.3, 0.6):
        recipe = Recipe(allocation=allocation, target_reduction=target, coupled="shared")
        for group in residual.groups:
            assert explained(residual, recipe, group.name, evidence=evidence, spread={})


@pytest.mark.parametrize("allocation", ["dispersion", "pooled", "functional", "sensitivity"])
def test_where_nothing_is_cut_the_target_is_the_reason(plain, allocation):
    recipe = Recipe(allocation=allocation, target_reduction=0.0)
    found = reason(plain, recipe, "conv2", evidence=evidence_of(plain))
    assert (found.kind, found.kept) == ("target_met", 24)
