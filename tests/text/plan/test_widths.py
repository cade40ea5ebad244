"""Why this ratio, in words: the numbers in the sentence are those that the widths came from."""

import pytest

from sfp_viz.core.allocation.allocate import allocate, allocated_widths
from sfp_viz.core.allocation.explanation import explain_width
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.reasons import WidthReason, WidthReasonKind, width_reason
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import loss
from sfp_viz.core.network import Cause, FilterGroup
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.text.plan.widths import width_latex, width_numbers, width_sentence
from tests.core.conftest import plain_network
from tests.core.fake_evidence import evidence_of

SPREAD = {"conv1": 0.9, "conv2": 0.4, "conv3": 0.7}


@pytest.fixture
def plain():
    return plain_network()


def explained(network, recipe, group, edits=None, evidence=None, spread=SPREAD):
    problem = Problem(network, Request.of(recipe, edits), evidence or Evidence(), spread)
    return explain_width(problem, allocated_widths(problem), group)


def sentence(*args, **more) -> str:
    return width_sentence(explained(*args, **more))


def test_the_formula_of_dispersion_gives_the_width(plain):
    allocation = allocate(Problem(plain, Request(Recipe()), dispersions=SPREAD))
    tau = allocation.widths.level
    found = explained(plain, Recipe(), "conv2")
    numbers = dict(width_numbers(found))
    assert numbers["share that meets the target, τ"] == f"{tau:.4g}"
    assert float(numbers["filters by the formula"]) == pytest.approx(24 * tau * 0.4**2, abs=0.06)
    assert int(numbers["filters kept"]) == allocation.kept["conv2"]
    assert f"{allocation.kept['conv2']} of 24 filters are kept" in width_sentence(found)
    assert "0.400^{2}" in width_latex(found)
    back = int(numbers.get("added back while the target holds", 0))
    assert round(24 * tau * 0.4**2) + back == allocation.kept["conv2"]


def test_uniform_names_the_share(plain):
    recipe = Recipe(allocation="uniform")
    tau = allocate(Problem(plain, Request(recipe), dispersions=SPREAD)).widths.level
    found = explained(plain, recipe, "conv2")
    assert rf"\tau = {tau:.3f}" in width_latex(found)
    assert "every group keeps the same share" in width_sentence(found)


def test_pooled_names_the_threshold(plain):
    recipe = Recipe(allocation="pooled")
    level = allocate(Problem(plain, Request(recipe), dispersions=SPREAD)).widths.level
    assert f"{level:.3f} times" in sentence(plain, recipe, "conv2")


def test_functional_names_what_the_next_layers_lose(plain):
    evidence, recipe = evidence_of(plain), Recipe(allocation="functional")
    kept = allocated_widths(Problem(plain, Request(recipe), evidence, SPREAD))
    name = next(name for name, units in kept.items() if units < plain.group(name).size)
    text = sentence(plain, recipe, name, evidence=evidence)
    pruned = plain.group(name).size - kept[name]
    lost = evidence.observations.elimination(name).errors[pruned]
    assert f"{100 * lost:.2f} %" in text
    assert "8 images of made up, train" in text


def test_sensitivity_names_the_points(plain):
    evidence, recipe = evidence_of(plain), Recipe(allocation="sensitivity")
    kept = allocated_widths(Problem(plain, Request(recipe), evidence, SPREAD))
    name = next(name for name, units in kept.items() if units < plain.group(name).size)
    text = sentence(plain, recipe, name, evidence=evidence)
    assert f"{loss(evidence.sensitivity, name, kept[name]):.1f} points" in text
    assert "1,000 images" in text


GROUP = FilterGroup("conv2", ("conv2",), 24, cause=Cause("network_output"))


@pytest.mark.parametrize(
    ("kind", "kept", "text"),
    [
        ("protected", 24, "All 24 filters are kept. Its filters are the outputs of the network"),
        ("locked", 24, "locked manually"),
        ("ratio", 18, "18 of 24 filters are kept: a ratio of 25 % is set manually"),
        ("most", 5, "a maximum of 0 is set manually"),
        ("unobserved", 24, "except for the 2 removed manually: the group was not observed"),
        ("unmeasured", 24, "not measured"),
        ("tied", 24, "tied together"),
        ("target_met", 24, "All 24 filters are kept: the target is met without pruning any."),
        ("target_met", 6, "the maximum set manually"),
        ("elsewhere", 24, "met by other groups"),
        ("max_ratio", 3, "90 %"),
        ("allocation", 9, "its Kernel Dispersion is 0.43"),
    ],
)
def test_every_reason_without_a_formula_is_said(kind: WidthReasonKind, kept, text):
    value = 0.25 if kind == "ratio" else 0.0
    found = WidthReason(kind, GROUP, kept, Recipe(), value, 2, 0.43)
    assert text in width_sentence(found)
    assert width_sentence(found).endswith(".")
    assert (width_latex(found), width_numbers(found)) == ("", ())


def test_bounds_and_rounding_are_said(plain):
    edits = Edits(plain.digest).with_least("conv2", 20)
    assert "at least 20 must be kept" in sentence(plain, Recipe(), "conv2", edits)
    most = Edits(plain.digest).with_most("conv2", 6)
    assert "maximum set manually" in sentence(plain, Recipe(0.3), "conv2", most)
    most = most.with_most("conv2", 4)
    assert "at most 4 may be kept" in sentence(plain, Recipe(0.8), "conv2", most)
    assert "a multiple of 8" in sentence(plain, Recipe(rounding=8), "conv2")
    # Multiples of 16 leave too much: 16 * 16 and more everywhere.
    recipe = Recipe(rounding=16, target_reduction=0.9)
    assert "not rounded to 16" in sentence(plain, recipe, "conv2")


def test_a_width_that_nobody_suggested_has_no_formula(plain):
    problem = Problem(plain, Request(Recipe()), dispersions=SPREAD)
    found = explain_width(problem, {**allocated_widths(problem), "conv2": 23}, "conv2")
    assert width_latex(found) == ""
    assert width_sentence(found).startswith("23 of 24")


@pytest.mark.parametrize("allocation", ["dispersion", "pooled", "functional", "sensitivity"])
def test_where_nothing_is_pruned_no_other_group_is_named_as_the_reason(plain, allocation):
    recipe = Recipe(allocation=allocation, target_reduction=0.0)
    found = explained(plain, recipe, "conv2", evidence=evidence_of(plain))
    assert width_sentence(found) == (
        "All 24 filters are kept: the target is met without pruning any."
    )


def test_a_group_left_whole_among_others_has_no_formula_of_a_loss_of_nothing(plain):
    evidence = evidence_of(plain)
    for target in (0.05, 0.1, 0.2, 0.3, 0.5):
        recipe = Recipe(allocation="functional", target_reduction=target)
        for group in plain.free:
            found = explained(plain, recipe, group.name, evidence=evidence)
            assert "= -0.0" not in width_latex(found)


def test_the_plain_reason_follows_the_recipe(plain):
    def text(kept: int, dispersion: float, **fields) -> str:
        problem = Problem(plain, Request(Recipe(**fields)), dispersions={"conv2": dispersion})
        return width_sentence(width_reason(problem, "conv2", kept))

    assert "same share" in text(9, 0.43, allocation="uniform")
    assert "90 %" in text(3, 0.1)
    assert "met by other groups" in text(24, 0.99)
