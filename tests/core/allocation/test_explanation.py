"""Why this ratio: the numbers in the sentence are those that the widths came from."""

from dataclasses import replace

import pytest

from sfp_viz.core.allocation.explanation import why
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.rounding_cost import rounding_cost
from sfp_viz.core.allocation.suggestion import allocate, allocated_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import loss
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from tests.core.made_up import evidence_of

SPREAD = {"conv1": 0.9, "conv2": 0.4, "conv3": 0.7}


def told(network, recipe, group, edits=None, evidence=None, spread=SPREAD):
    problem = Problem(network, Request.of(recipe, edits), evidence or Evidence(), spread)
    return why(problem, allocated_widths(problem), group)


def test_the_formula_of_dispersion_gives_the_width(plain):
    recipe = Recipe()
    found = allocate(Problem(plain, Request(recipe), dispersions=SPREAD))
    tau = found.widths.level
    answer = told(plain, recipe, "conv2")
    numbers = dict(answer.numbers)
    assert numbers["share that meets the target, τ"] == f"{tau:.4g}"
    assert float(numbers["filters asked for"]) == pytest.approx(24 * tau * 0.4**2, abs=0.06)
    assert int(numbers["filters that stay"]) == found.kept["conv2"]
    assert f"{found.kept['conv2']} of 24 filters stay" in answer.sentence
    assert "0.400^{2}" in answer.formula_latex
    back = int(numbers.get("given back while the target holds", 0))
    assert round(24 * tau * 0.4**2) + back == found.kept["conv2"]


def test_uniform_names_the_share(plain):
    answer = told(plain, Recipe(allocation="uniform"), "conv2")
    tau = allocate(
        Problem(plain, Request(Recipe(allocation="uniform")), dispersions=SPREAD)
    ).widths.level
    assert rf"\tau = {tau:.3f}" in answer.formula_latex
    assert "same share everywhere" in answer.sentence


def test_pooled_names_the_threshold(plain):
    answer = told(plain, Recipe(allocation="pooled"), "conv2")
    level = allocate(
        Problem(plain, Request(Recipe(allocation="pooled")), dispersions=SPREAD)
    ).widths.level
    assert f"{level:.3f} times" in answer.sentence


def test_functional_names_what_the_next_layers_lose(plain):
    evidence, recipe = evidence_of(plain), Recipe(allocation="functional")
    kept = allocated_widths(Problem(plain, Request(recipe), evidence, SPREAD))
    name = next(name for name, units in kept.items() if units < plain.group(name).size)
    answer = told(plain, recipe, name, evidence=evidence)
    gone = plain.group(name).size - kept[name]
    lost = evidence.observations.elimination(name).errors[gone]
    assert f"{100 * lost:.2f} %" in answer.sentence
    assert "8 images of made up, train" in answer.sentence


def test_sensitivity_names_the_points(plain):
    evidence, recipe = evidence_of(plain), Recipe(allocation="sensitivity")
    kept = allocated_widths(Problem(plain, Request(recipe), evidence, SPREAD))
    name = next(name for name, units in kept.items() if units < plain.group(name).size)
    answer = told(plain, recipe, name, evidence=evidence)
    assert f"{loss(evidence.sensitivity, name, kept[name]):.1f} points" in answer.sentence
    assert "1,000 images" in answer.sentence


@pytest.mark.parametrize("allocation", ["functional", "sensitivity"])
def test_a_group_that_was_not_seen_says_so(plain, allocation):
    answer = told(
        plain, Recipe(allocation=allocation, target_reduction=0.2), "conv2",
        evidence=evidence_of(plain, skip=("conv2",)),
    )  # fmt: skip
    assert "All 24 filters stay" in answer.sentence
    assert ("not observed" if allocation == "functional" else "not measured") in answer.sentence


def test_what_a_person_fixed_is_said_first(plain, concat, residual):
    edits = Edits(plain.digest).with_protected("conv1", True).with_ratio("conv2", 0.25)
    assert "locked by hand" in told(plain, Recipe(), "conv1", edits).sentence
    assert (
        "18 of 24 filters stay: a ratio of 25 %" in told(plain, Recipe(), "conv2", edits).sentence
    )
    assert "network output." in told(concat, Recipe(), "head", spread={}).sentence
    recipe = Recipe(target_reduction=0.2)
    assert "tied together" in told(residual, recipe, "stem", spread={}).sentence
    most = Edits(residual.digest).with_most("stem", 5)
    assert "at most 5 is set by hand" in told(residual, recipe, "stem", most, spread={}).sentence


def test_bounds_and_rounding_are_told(plain):
    edits = Edits(plain.digest).with_least("conv2", 20)
    assert "no fewer than 20 may stay" in told(plain, Recipe(), "conv2", edits).sentence
    most = Edits(plain.digest).with_most("conv2", 6)
    assert "no more may stay by hand" in told(plain, Recipe(0.3), "conv2", most).sentence
    most = most.with_most("conv2", 4)
    assert "no more than 4 may stay" in told(plain, Recipe(0.8), "conv2", most).sentence
    answer = told(plain, Recipe(rounding=8), "conv2")
    assert "a multiple of 8" in answer.sentence
    # Multiples of 16 leave too much: 16 * 16 and more everywhere.
    recipe = Recipe(rounding=16, target_reduction=0.9)
    assert "not rounded to 16" in told(plain, recipe, "conv2").sentence


def test_a_width_that_nobody_suggested_gets_the_plain_sentence(plain):
    kept = {**allocated_widths(Problem(plain, Request(Recipe()), dispersions=SPREAD)), "conv2": 23}
    answer = why(Problem(plain, Request(Recipe()), dispersions=SPREAD), kept, "conv2")
    assert answer.formula_latex == ""
    assert answer.sentence.startswith("23 of 24")


@pytest.mark.parametrize("allocation", ["dispersion", "uniform", "pooled", "functional"])
def test_every_group_of_every_plan_has_a_reason(residual, allocation):
    evidence = evidence_of(residual)
    for target in (0.0, 0.3, 0.6):
        recipe = Recipe(allocation=allocation, target_reduction=target, coupled="shared")
        for group in residual.groups:
            answer = told(residual, recipe, group.name, evidence=evidence, spread={})
            assert answer.sentence.endswith(".")
            assert "filters stay" in answer.sentence


@pytest.mark.parametrize("allocation", ["dispersion", "pooled", "functional", "sensitivity"])
def test_where_nothing_is_cut_no_other_group_is_named_as_the_reason(plain, allocation):
    recipe = Recipe(allocation=allocation, target_reduction=0.0)
    answer = told(plain, recipe, "conv2", evidence=evidence_of(plain))
    assert answer.sentence == "All 24 filters stay: the target is met without cutting any."
    assert "-0.0" not in answer.formula_latex


def test_a_group_left_whole_among_others_has_no_formula_of_a_loss_of_nothing(plain):
    evidence = evidence_of(plain)
    for target in (0.05, 0.1, 0.2, 0.3, 0.5):
        recipe = Recipe(allocation="functional", target_reduction=target)
        for group in plain.free:
            assert "= -0.0" not in told(plain, recipe, group.name, evidence=evidence).formula_latex


def test_what_rounding_costs_is_the_difference_of_two_plans(plain):
    recipe = Recipe(rounding=8, target_reduction=0.4)
    found = rounding_cost(Problem(plain, Request(recipe), dispersions=SPREAD))
    assert found.rounded == allocated_widths(Problem(plain, Request(recipe), dispersions=SPREAD))
    assert found.free == allocated_widths(
        Problem(plain, Request(replace(recipe, rounding=1)), dispersions=SPREAD)
    )
    assert found.with_it >= 0.4
    assert 0.4 <= found.without <= found.with_it
    assert f"{100 * found.with_it:.1f} % is saved instead of" in found.sentence
    assert (
        rounding_cost(Problem(plain, Request(Recipe()), dispersions=SPREAD)).sentence
        == "Filters are not rounded."
    )
    gave_way = rounding_cost(
        Problem(plain, Request(Recipe(rounding=16, target_reduction=0.9)), dispersions=SPREAD)
    )
    assert gave_way.step == 1
    assert "cannot meet the target" in gave_way.sentence
