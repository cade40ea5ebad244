"""What each stage asks of the student is relative to the original: targets, locks, ratios, single
filters and clusters; checked on a network that is cut in four stages without any training."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe, random, uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.core.selection.iterative import (
    all_units,
    check_steps,
    merge_plans,
    stage_request,
    units_after,
)
from sfp_viz.core.selection.iterative_schedule import Steps, targets
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import PlanError, RecipeError

STEPS = Steps(stages=4, growth="geometric")
INS = {"conv2": "conv1", "conv3": "conv2"}


def cut(plain_of, student: Network, plan: Plan) -> Network:
    """The student without the plan's filters: other weights, named by what is left."""
    left = units_after(all_units(student), plan)
    weights = {}
    for layer in student.layers:
        kept = layer.weight[list(left[layer.name])]
        if layer.name in INS:
            kept = kept[:, list(left[INS[layer.name]])]
        weights[layer.name] = np.ascontiguousarray(kept)
    widths = tuple(len(left[group.name]) for group in student.groups)
    found = plain_of(0, widths, weights)
    return replace(found, digest=f"{student.digest}+{plan.hash[:4]}")


def carried_out(plain_of, original: Network, recipe: Recipe, edits: Edits | None, steps=STEPS):
    """(target, what was asked, plan, student after it, what is left) of each stage."""
    student, left, found = original, all_units(original), []
    for target in targets(steps, recipe.target_reduction):
        problem = Problem(original, Request.of(recipe, edits))
        wanted = stage_request(problem, student, left, target)
        plan = make_plan_for(Problem(student, wanted))
        left, student = units_after(left, plan), cut(plain_of, student, plan)
        found.append((target, wanted, plan, student, left))
    return found


@pytest.mark.parametrize("recipe", [Recipe(0.7), uniform_l1(0.6), random(0.5, goal="params")])
@pytest.mark.parametrize("growth", ["linear", "geometric", "cubic"])
def test_each_stage_meets_its_share_of_the_original_and_the_last_the_target(
    plain, plain_of, recipe, growth
):
    names = {"macs": "macs", "params": "params"}
    before = getattr(cost(plain), names[recipe.goal])
    last = before
    for target, _, _, student, _ in carried_out(
        plain_of, plain, recipe, None, replace(STEPS, growth=growth)
    ):
        now = getattr(cost(student), names[recipe.goal])
        assert now <= (1 - target) * before + 1
        assert now >= (1 - target) * before * 0.93  # units are whole: no stage goes far below
        assert now < last
        last = now


def test_locks_hold_in_every_stage_and_the_others_make_up(plain, plain_of):
    edits = Edits(plain.digest, protected=("conv1",))
    check_steps(Problem(plain, Request.of(Recipe(0.5), edits)), STEPS)
    for _, _, plan, student, _ in carried_out(plain_of, plain, Recipe(0.5), edits):
        assert plan.removed("conv1") == ()
        assert student.group("conv1").size == 16
    assert cost(student).macs <= 0.5 * cost(plain).macs


def test_a_ratio_by_hand_is_reached_at_the_end_in_shares_of_the_original(plain, plain_of):
    edits = Edits(plain.digest, ratios=(("conv2", 0.5), ("conv1", 0.0)), makeup=False)
    sizes = []
    for target, wanted, _, student, _ in carried_out(plain_of, plain, Recipe(0.6), edits):
        assert wanted.edits.makeup  # each stage meets its target, whatever the edits say
        gone = 24 - student.group("conv2").size
        assert gone == np.ceil(12 * target / 0.6 - 1e-9)
        assert student.group("conv1").size == 16
        sizes.append(student.group("conv2").size)
    assert (
        sizes[-1]
        == 12
        == kept_units(plain, make_plan_for(Problem(plain, Request.of(Recipe(0.6), edits))))["conv2"]
    )
    assert sizes == sorted(sizes, reverse=True)


def test_the_largest_ratio_is_of_the_original_and_not_of_what_is_left(plain, plain_of):
    recipe = Recipe(0.6, max_ratio=0.5)
    stages = carried_out(plain_of, plain, recipe, None, Steps(stages=6))
    for group in plain.groups:
        for *_, student, _ in stages:
            assert student.group(group.name).size >= group.size / 2
    edits = Edits(plain.digest, least=(("conv3", 30),))
    for *_, student, _ in carried_out(plain_of, plain, Recipe(0.5), edits):
        assert student.group("conv3").size >= 30


def test_a_maximum_by_hand_is_reached_stage_by_stage(plain, plain_of):
    edits = Edits(plain.digest, most=(("conv3", 8),))
    sizes = [
        student.group("conv3").size
        for *_, student, _ in carried_out(plain_of, plain, Recipe(0.4), edits)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 8
    assert sizes[-1] <= 8


def test_filters_by_hand_keep_their_original_numbers(plain, plain_of):
    edits = Edits(
        plain.digest,
        keep=(("conv3", 31), ("conv2", 5)),
        remove=(("conv3", 0), ("conv2", 7)),
    )
    stages = carried_out(plain_of, plain, Recipe(0.8), edits)
    for _, _, _, _, left in stages:
        assert {31} <= set(left["conv3"])
        assert {5} <= set(left["conv2"])
    first = stages[0][4]
    assert 0 not in first["conv3"]
    assert 7 not in first["conv2"]
    assert stages[1][1].edits.remove == ()
    assert dict(stages[-1][1].edits.keep)["conv3"] == len(stages[-2][4]["conv3"]) - 1


def test_clusters_by_hand_hold_for_the_filters_that_are_left(plain, plain_of):
    labels = tuple(unit % 3 for unit in range(24))
    edits = Edits(plain.digest).with_clusters("conv2", labels)
    stages = carried_out(plain_of, plain, Recipe(0.6), edits)
    for (*_, left), (_, wanted, *_) in pairwise(stages):
        given = dict(wanted.edits.clusters)["conv2"]
        ours = [labels[unit] for unit in left["conv2"]]
        pairs = {(a, b) for a, b in zip(given, ours, strict=True)}
        assert len(pairs) == len({b for _, b in pairs}) == len({a for a, _ in pairs})


def test_the_stages_together_are_one_plan_of_the_original(plain, plain_of):
    edits = Edits(plain.digest, remove=(("conv3", 4),))
    stages = carried_out(plain_of, plain, Recipe(0.6, balance=0.0), edits)
    plan = merge_plans(Problem(plain, Request.of(Recipe(0.6), edits)), [part[2] for part in stages])
    left, student = stages[-1][4], stages[-1][3]
    for group in plain.groups:
        rest = [unit for unit in range(group.size) if unit not in plan.removed(group.name)]
        assert tuple(rest) == left[group.name]
    assert cost(plain, plan) == cost(student)
    removal = next(r for r in plan.removals if r.group == "conv3")
    assert dict(zip(removal.filters, removal.reasons, strict=True))[4] == Reason("by_hand")
    sizes = {group.name: group.size for group in plain.groups}
    named = [reason.other for removal in plan.removals for reason in removal.reasons]
    assert all(number < max(sizes.values()) for number in named if number is not None)


def test_a_reason_names_the_original_number_of_the_filter_that_stays(plain):
    from sfp_viz.core.plan.plan import Removal

    recipe, edits = Recipe(), Edits(plain.digest)
    first = Plan(plain.digest, recipe, edits, (Removal("conv1", (0, 2), (Reason("dead"),) * 2),))
    reasons = (Reason("redundant", other=3), Reason("unimportant"))
    second = Plan("s", recipe, edits, (Removal("conv1", (0, 1), reasons),))
    both = merge_plans(Problem(plain, Request(recipe)), [first, second])
    assert both.removals[0].filters == (0, 1, 2, 3)
    assert both.removals[0].reasons == (
        Reason("dead"), Reason("redundant", other=5), Reason("dead"), Reason("unimportant"),
    )  # fmt: skip


def test_a_stage_that_was_reached_already_asks_for_nothing(plain, plain_of):
    small = plain_of(0, (8, 8, 8))
    left = {name: units[:8] for name, units in all_units(plain).items()}
    wanted = stage_request(Problem(plain, Request(Recipe(0.6))), small, left, 0.1)
    assert wanted.recipe.target_reduction == 0.0
    assert make_plan_for(Problem(small, wanted)).removals == ()
    assert cost(small).macs < 0.9 * cost_of_widths(plain, {}).macs


@pytest.mark.parametrize(
    ("recipe", "edits", "problem", "says"),
    [
        (Recipe(0.5, goal="latency"), {}, RecipeError, "cannot use the latency"),
        (Recipe(0.5, allocation="sensitivity"), {}, RecipeError, "cannot use the sensitivity"),
        (Recipe(0.0), {}, RecipeError, "from 1 to 99 %"),
        (Recipe(0.9, max_ratio=0.2), {}, PlanError, "%"),
        (Recipe(0.5), {"protected": ("conv1", "conv2", "conv3")}, PlanError, "conv"),
    ],
)
def test_what_would_fail_in_a_late_stage_is_refused_at_the_start(
    plain, recipe, edits, problem, says
):
    with pytest.raises(problem, match=says):
        check_steps(Problem(plain, Request(recipe, Edits(plain.digest, **edits))), STEPS)
