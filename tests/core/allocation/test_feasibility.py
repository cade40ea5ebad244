"""How far a goal can be met, what prevents more, and how far for a given loss."""

from dataclasses import replace

import pytest

from sfp_viz.core.allocation.accuracy_target import losing_at_most
from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.feasibility import (
    Limit,
    UnreachableTarget,
    best_relaxation,
    feasibility,
    largest_reduction,
    rounded_down,
)
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import predicted_loss
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import PlanError, RecipeError
from tests.core.fake_evidence import evidence_of, large, table_of

GOALS = ["macs", "params", "memory", "latency"]


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", ["plain", "residual", "depthwise", "concat"])
def test_the_furthest_target_is_met_and_a_little_more_is_not(name, goal, request):
    network = request.getfixturevalue(name)
    evidence = Evidence(latency=table_of(network))
    recipe = Recipe(goal=goal, max_ratio=0.6)
    most = largest_reduction(Problem(network, Request(recipe), evidence))
    assert allocated_widths(
        Problem(network, Request(replace(recipe, target_reduction=most)), evidence)
    )
    with pytest.raises(PlanError, match="cannot be reached"):
        allocated_widths(
            Problem(network, Request(replace(recipe, target_reduction=most + 0.001)), evidence)
        )


def test_it_is_the_share_of_macs_that_the_fewest_filters_save(plain):
    kept = {"conv1": 4, "conv2": 6, "conv3": 8}
    expected = 1 - cost_of_widths(plain, kept).macs / cost(plain).macs
    assert largest_reduction(Problem(plain, Request(Recipe(max_ratio=0.75)))) == pytest.approx(
        expected, abs=1e-6
    )


def test_a_target_that_can_be_met_is_its_own_nearest(plain):
    found = feasibility(Problem(plain, Request(Recipe())))
    assert (found.nearest, found.limits, found.relaxation) == (0.5, (), None)


def test_of_two_locks_the_one_that_helps_more_is_named(plain):
    """conv2 is in most of the MACs, conv1 in few."""
    edits = Edits(plain.digest).with_protected("conv1", True).with_protected("conv2", True)
    recipe = Recipe(target_reduction=0.9)
    found = feasibility(Problem(plain, Request.of(recipe, edits)))
    freed = largest_reduction(
        Problem(plain, Request.of(recipe, edits.with_protected("conv2", False)))
    )
    assert found.nearest == found.most < freed
    assert Limit("whole_groups", ("conv1", "conv2"), all_groups=3) in found.limits
    relaxed = found.relaxation
    assert relaxed is not None
    assert (relaxed.kind, relaxed.group, relaxed.to) == ("lock", "conv2", freed)
    assert relaxed.request.edits.protected == ("conv1",)
    request = relaxed.request.with_recipe(target_reduction=relaxed.to)
    assert allocated_widths(Problem(plain, request))


@pytest.mark.parametrize(
    ("edits", "limit", "relaxation"),
    [
        (Edits("plain0").with_ratio("conv2", 0.1), "ratios", ("ratio", "conv2")),
        (Edits("plain0").with_least("conv3", 30), "minimums", ("minimum", "conv3")),
        (
            Edits("plain0", keep=tuple(("conv2", unit) for unit in range(22))),
            "kept_filters",
            ("kept_filters", "conv2"),
        ),
        (Edits("plain0"), "max_ratio", ("max_ratio", "")),
    ],
)
def test_whatever_holds_a_goal_back_is_named(plain, edits, limit, relaxation):
    recipe = Recipe(target_reduction=0.98, max_ratio=0.8)
    found = feasibility(Problem(plain, Request.of(recipe, edits)))
    assert limit in [one.kind for one in found.limits]
    assert found.relaxation is not None
    assert (found.relaxation.kind, found.relaxation.group) == relaxation
    with pytest.raises(UnreachableTarget, match="cannot be reached") as error:
        allocated_widths(Problem(plain, Request.of(recipe, edits)))
    assert error.value.feasibility == found


def test_ratios_for_which_none_makes_up_hold_no_goal_back(plain):
    edits = Edits(plain.digest, makeup=False).with_ratio("conv2", 0.0)
    assert largest_reduction(Problem(plain, Request.of(Recipe(), edits))) == largest_reduction(
        Problem(plain, Request(Recipe()))
    )
    assert largest_reduction(
        Problem(plain, Request.of(Recipe(), replace(edits, makeup=True)))
    ) < largest_reduction(Problem(plain, Request(Recipe())))
    found = feasibility(
        Problem(plain, Request.of(Recipe(target_reduction=0.98, max_ratio=0.8), edits))
    )
    assert [limit.kind for limit in found.limits] == ["max_ratio"]


def test_the_largest_ratio_of_a_group_comes_after_the_groups_that_are_whole(plain):
    recipe, largest = Recipe(target_reduction=0.99, max_ratio=0.8), Limit("max_ratio", share=0.8)
    assert feasibility(Problem(plain, Request(recipe))).limits == (largest,)
    locked = Request(recipe, Edits(plain.digest).with_protected("conv1", True))
    whole = Limit("whole_groups", ("conv1",), all_groups=3)
    assert feasibility(Problem(plain, locked)).limits == (whole, largest)


def test_layers_that_are_tied_together_are_named(residual):
    found = feasibility(Problem(residual, Request(Recipe(target_reduction=0.9))))
    assert found.relaxation is not None
    assert found.relaxation.kind == "tied_layers"


def test_groups_that_were_not_seen_are_named(plain):
    recipe = Recipe(target_reduction=0.95, allocation="functional")
    found = feasibility(Problem(plain, Request(recipe), evidence_of(plain, skip=("conv2",))))
    whole = Limit("whole_groups", ("conv2",), all_groups=3)
    assert found.limits[:2] == (whole, Limit("unobserved", ("conv2",)))


def test_nothing_is_promised_where_nothing_helps(depthwise):
    edits = Edits(depthwise.digest)
    recipe = Recipe(target_reduction=0.99, max_ratio=0.99)
    assert best_relaxation(Problem(depthwise, Request.of(recipe, edits))) is None
    found = feasibility(Problem(depthwise, Request(recipe)))
    assert 0 < found.most < 0.99
    assert found.relaxation is None


def test_a_share_is_rounded_down_to_a_tenth_of_a_percent():
    assert rounded_down(0.61278) == pytest.approx(0.612)
    assert rounded_down(0.7) == pytest.approx(0.7)


def test_the_largest_target_for_a_loss_is_met_and_a_step_more_loses_more(plain):
    evidence = evidence_of(plain)
    for allocation in ("uniform", "sensitivity"):
        recipe = Recipe(allocation=allocation)
        targets = []
        for points in (1.0, 5.0, 20.0):
            found = losing_at_most(Problem(plain, Request(recipe), evidence), points)
            assert replace(found, target_reduction=0.5) == recipe
            kept = allocated_widths(Problem(plain, Request(found), evidence))
            assert predicted_loss(evidence.sensitivity, kept) <= points
            more = replace(found, target_reduction=found.target_reduction + 0.001)
            lost = predicted_loss(
                evidence.sensitivity, allocated_widths(Problem(plain, Request(more), evidence))
            )
            assert lost > points
            targets.append(found.target_reduction)
        assert targets == sorted(targets)


def test_a_loss_of_100_points_allows_everything(plain):
    evidence = evidence_of(plain)
    found = losing_at_most(Problem(plain, Request(Recipe()), evidence), 100)
    assert found.target_reduction == pytest.approx(
        largest_reduction(Problem(plain, Request(Recipe()))), abs=0.001
    )


def test_what_cannot_be_foretold_is_refused(plain):
    with pytest.raises(RecipeError, match="Measure it first"):
        losing_at_most(Problem(plain, Request(Recipe())), 1)
    with pytest.raises(PlanError, match="0 points or more"):
        losing_at_most(Problem(plain, Request(Recipe()), evidence_of(plain)), -1)
    edits = Edits(plain.digest).with_ratio("conv2", 0.9)
    with pytest.raises(PlanError, match="manual edits"):
        losing_at_most(Problem(plain, Request.of(Recipe(), edits), evidence_of(plain)), 0.1)
    with pytest.raises(PlanError, match="'conv1' loses filters"):
        losing_at_most(Problem(plain, Request(Recipe()), evidence_of(plain, skip=("conv1",))), 50)


def test_a_goal_out_of_reach_is_explained_in_time_for_a_slider():
    network, _ = large()
    edits = Edits(network.digest, protected=tuple(f"conv{i}" for i in range(25)))
    found = feasibility(Problem(network, Request.of(Recipe(target_reduction=0.95), edits)))
    whole = found.limits[0]
    assert (whole.kind, len(whole.groups), whole.all_groups) == ("whole_groups", 25, 50)
