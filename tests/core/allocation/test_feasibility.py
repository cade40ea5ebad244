"""How far a goal can be met, what prevents more, and how far for a given loss."""

from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.allocation.accuracy_target import (
    best_lift,
    furthest,
    losing_at_most,
    nearest_feasible,
)
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.suggestion import allocated_widths
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import predicted_loss
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import PlanError, RecipeError
from tests.core.made_up import evidence_of, large, table_of

GOALS = ["macs", "params", "memory", "latency"]


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", ["plain", "residual", "depthwise", "concat"])
def test_the_furthest_target_is_met_and_a_little_more_is_not(name, goal, request):
    network = request.getfixturevalue(name)
    evidence = Evidence(latency=table_of(network))
    recipe = Recipe(goal=goal, max_ratio=0.6)
    most = furthest(Problem(network, Request(recipe), evidence))
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
    assert furthest(Problem(plain, Request(Recipe(max_ratio=0.75)))) == pytest.approx(
        expected, abs=1e-6
    )


def test_a_target_that_can_be_met_is_its_own_nearest(plain):
    assert nearest_feasible(Problem(plain, Request(Recipe()))) == (0.5, "")


def test_of_two_locks_the_one_that_helps_more_is_named(plain):
    """conv2 is in most of the MACs, conv1 in few."""
    edits = Edits(plain.digest).with_protected("conv1", True).with_protected("conv2", True)
    recipe = Recipe(target_reduction=0.9)
    most, sentence = nearest_feasible(Problem(plain, Request.of(recipe, edits)))
    freed = furthest(Problem(plain, Request.of(recipe, edits.with_protected("conv2", False))))
    assert most < freed
    assert "2 of 3 groups stay whole (conv1, conv2)" in sentence
    assert f"Freeing conv2 would allow {np.floor(freed * 1000) / 10:.1f} %." in sentence
    lift = best_lift(Problem(plain, Request.of(recipe, edits)))
    assert lift is not None
    assert lift.to == freed
    assert lift.request.edits.protected == ("conv1",)
    assert allocated_widths(
        Problem(plain, Request.of(replace(recipe, target_reduction=lift.to), lift.request.edits))
    )


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (Edits("plain0").with_ratio("conv2", 0.1), "Giving up the ratio of conv2 would allow"),
        (Edits("plain0").with_least("conv3", 30), "Lifting the minimum of conv3 would allow"),
        (
            Edits("plain0", keep=tuple(("conv2", unit) for unit in range(22))),
            "Giving up the filters kept by hand in conv2 would allow",
        ),
        (Edits("plain0"), "Letting a group lose up to 99 % of its filters would allow"),
    ],
)
def test_whatever_holds_a_goal_back_is_named(plain, edits, words):
    recipe = Recipe(target_reduction=0.98, max_ratio=0.8)
    _, sentence = nearest_feasible(Problem(plain, Request.of(recipe, edits)))
    assert words in sentence
    with pytest.raises(PlanError, match=words):
        allocated_widths(Problem(plain, Request.of(recipe, edits)))


def test_ratios_for_which_none_makes_up_hold_no_goal_back(plain):
    edits = Edits(plain.digest, makeup=False).with_ratio("conv2", 0.0)
    assert furthest(Problem(plain, Request.of(Recipe(), edits))) == furthest(
        Problem(plain, Request(Recipe()))
    )
    assert furthest(Problem(plain, Request.of(Recipe(), replace(edits, makeup=True)))) < furthest(
        Problem(plain, Request(Recipe()))
    )
    _, sentence = nearest_feasible(
        Problem(plain, Request.of(Recipe(target_reduction=0.98, max_ratio=0.8), edits))
    )
    assert "by hand" not in sentence


def test_other_groups_are_spoken_of_only_where_some_were_named(plain):
    recipe = Recipe(target_reduction=0.99, max_ratio=0.8)
    _, sentence = nearest_feasible(Problem(plain, Request(recipe)))
    assert sentence.startswith("No group may lose more than 80 % of its filters.")
    _, sentence = nearest_feasible(
        Problem(plain, Request(recipe, Edits(plain.digest).with_protected("conv1", True)))
    )
    assert "stay whole (conv1); no other group may lose more than 80 %" in sentence


def test_layers_that_are_tied_together_are_named(residual):
    _, sentence = nearest_feasible(Problem(residual, Request(Recipe(target_reduction=0.9))))
    assert "Cutting layers that are tied together would allow" in sentence


def test_groups_that_were_not_seen_are_named(plain):
    recipe = Recipe(target_reduction=0.95, allocation="functional")
    _, sentence = nearest_feasible(
        Problem(plain, Request(recipe), evidence_of(plain, skip=("conv2",)))
    )
    assert "1 of 3 groups stay whole (conv2); 1 of them was not observed" in sentence


def test_nothing_is_promised_where_nothing_helps(depthwise):
    edits = Edits(depthwise.digest)
    recipe = Recipe(target_reduction=0.99, max_ratio=0.99)
    assert best_lift(Problem(depthwise, Request.of(recipe, edits))) is None
    most, sentence = nearest_feasible(Problem(depthwise, Request(recipe)))
    assert 0 < most < 0.99
    assert "would allow" not in sentence


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
        furthest(Problem(plain, Request(Recipe()))), abs=0.001
    )


def test_what_cannot_be_foretold_is_refused(plain):
    with pytest.raises(RecipeError, match="Measure it first"):
        losing_at_most(Problem(plain, Request(Recipe())), 1)
    with pytest.raises(PlanError, match="0 points or more"):
        losing_at_most(Problem(plain, Request(Recipe()), evidence_of(plain)), -1)
    edits = Edits(plain.digest).with_ratio("conv2", 0.9)
    with pytest.raises(PlanError, match="fixed by hand"):
        losing_at_most(Problem(plain, Request.of(Recipe(), edits), evidence_of(plain)), 0.1)
    with pytest.raises(PlanError, match="'conv1' loses filters"):
        losing_at_most(Problem(plain, Request(Recipe()), evidence_of(plain, skip=("conv1",))), 50)


def test_a_goal_out_of_reach_is_explained_in_time_for_a_slider():
    network, _ = large()
    edits = Edits(network.digest, protected=tuple(f"conv{i}" for i in range(25)))
    _, sentence = nearest_feasible(
        Problem(network, Request.of(Recipe(target_reduction=0.95), edits))
    )
    assert "25 of 50 groups stay whole (conv0, conv1, conv10, conv11, …)" in sentence or (
        "25 of 50 groups stay whole (conv0, conv1, conv2, conv3, …)" in sentence
    )
