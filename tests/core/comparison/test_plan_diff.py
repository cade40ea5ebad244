import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.comparison.plan_diff import Change, GroupDifference, differences
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import PlanError


def plan_of(network, recipe=None, edits=None, **removed):
    removals = tuple(Removal(g, tuple(f), (Reason("dead"),) * len(f)) for g, f in removed.items())
    return Plan(
        network.digest,
        recipe or Recipe(),
        edits if edits is not None else Edits(network.digest),
        removals,
    )


def test_a_plan_does_not_differ_from_itself(plain):
    plan = make_plan_for(Problem(plain, Request(Recipe())))
    found = differences(plan, plan, plain)
    assert not found
    assert (found.recipe, found.edits, found.groups) == ((), (), ())
    assert found.cost_a == found.cost_b == cost(plain, plan)


def test_only_groups_that_are_cut_differently_are_there(plain):
    a = plan_of(plain, conv1=(1, 2, 3), conv2=(5,))
    b = plan_of(plain, conv1=(2, 3, 4, 7), conv2=(5,), conv3=(0,))
    assert differences(a, b, plain).groups == (
        GroupDifference("conv1", 16, 13, 12, (1,), (4, 7)),
        GroupDifference("conv3", 32, 32, 31, (), (0,)),
    )


def test_as_many_but_other_filters_is_a_difference(plain):
    found = differences(plan_of(plain, conv1=(1,)), plan_of(plain, conv1=(2,)), plain)
    assert found
    assert found.groups[0].kept_a == found.groups[0].kept_b == 15
    assert found.cost_a == found.cost_b


def test_fields_of_the_recipe_that_differ_are_named(plain):
    a, b = plan_of(plain, Recipe()), plan_of(plain, Recipe(gamma=1, criterion="fpgm"))
    assert differences(a, b, plain).recipe == (
        Change("criterion", "l1", "fpgm"),
        Change("gamma", 2.0, 1.0),
    )


def test_edits_that_differ_are_named_with_their_group(plain):
    common = Edits(plain.digest).with_ratio("conv3", 0.5)
    a = common.with_ratio("conv1", 0.25).with_filter("conv2", 3, "keep").with_least("conv2", 4)
    b = common.with_protected("conv1", True).with_filter("conv2", 4, "keep")
    found = differences(plan_of(plain, edits=a), plan_of(plain, edits=b), plain).edits
    assert found == (
        Change("kept", (3,), (4,), "conv2"),
        Change("locked", None, True, "conv1"),
        Change("minimum", 4, None, "conv2"),
        Change("ratio", 0.25, None, "conv1"),
    )
    few = Edits(plain.digest).with_most("conv2", 9)
    found = differences(plan_of(plain), plan_of(plain, edits=few), plain).edits
    assert found == (Change("maximum", None, 9, "conv2"),)
    other = Edits(plain.digest, makeup=False)
    found = differences(plan_of(plain), plan_of(plain, edits=other), plain).edits
    assert found == (Change("makeup", True, False),)


def test_it_turns_round_with_the_plans(plain):
    a = make_plan_for(Problem(plain, Request(Recipe(target_reduction=0.3))))
    b = make_plan_for(
        Problem(plain, Request(Recipe(), Edits(plain.digest).with_ratio("conv1", 0.1)))
    )
    one, two = differences(a, b, plain), differences(b, a, plain)
    assert (one.cost_a, one.cost_b) == (two.cost_b, two.cost_a)
    assert [(g.group, g.only_a, g.only_b) for g in one.groups] == [
        (g.group, g.only_b, g.only_a) for g in two.groups
    ]


def test_plans_of_other_weights_are_refused(plain, concat):
    with pytest.raises(PlanError, match="other weights"):
        differences(
            make_plan_for(Problem(plain, Request(Recipe()))),
            make_plan_for(Problem(concat, Request(Recipe()))),
            plain,
        )
