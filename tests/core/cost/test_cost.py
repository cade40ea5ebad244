from itertools import pairwise

import pytest

from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.errors import PlanError


def plan_of(network, **removed):
    removals = tuple(
        Removal(group, tuple(range(count)), (Reason("dead"),) * count)
        for group, count in removed.items()
    )
    return Plan(network.digest, Recipe(), Edits(network.digest), removals)


def test_a_plain_network_by_hand(plain):
    macs = 64 * 9 * (16 * 3 + 24 * 16 + 32 * 24) + 10 * 32 * 4
    params = 9 * (16 * 3 + 24 * 16 + 32 * 24) + 2 * (16 + 24 + 32) + 10 * 32 * 4 + 10
    assert (cost(plain).macs, cost(plain).params) == (macs, params)
    assert cost(plain).peak_activation_bytes == 4 * 64 * (32 + 24)


def test_a_cut_counts_fewer_inputs_of_the_next_layer_too(plain):
    cut = cost(plain, plan_of(plain, conv1=6, conv3=2))
    assert cut.macs == 64 * 9 * (10 * 3 + 24 * 10 + 30 * 24) + 10 * 30 * 4


def test_a_depthwise_layer_shrinks_with_its_producer(depthwise):
    assert cost(depthwise).macs == 64 * (24 * 8 + 9 * 24 + 8 * 24)
    assert cost_of_widths(depthwise, {"expand": 10}).macs == 64 * (10 * 8 + 9 * 10 + 8 * 10)


def test_a_concat_sums_its_branches(concat):
    cut = cost_of_widths(concat, {"left": 3, "right": 9})
    assert cut.macs == 64 * (9 * 12 * 3 + 3 * 12 + 9 * 9 * 12 + 10 * (3 + 9))


def test_a_coupled_group_shrinks_everywhere(residual):
    cut = cost_of_widths(residual, {"stem": 7})
    assert cut.macs == 64 * 9 * (7 * 3 + 16 * 7 + 7 * 16 + 20 * 7) + 10 * 20


def test_a_unit_of_grouped_convolutions_is_one_channel_in_every_conv_group(grouped):
    assert cost(grouped).macs == 64 * (9 * 8 * 3 + 9 * 16 * 8 // 4 + 10 * 16)
    assert cost_of_widths(grouped, {"conv2": 3}).macs == 64 * (
        9 * 8 * 3 + 9 * 12 * 8 // 4 + 10 * 12
    )


def test_removing_more_never_costs_more(plain):
    series = [cost_of_widths(plain, {"conv2": kept}) for kept in range(24, 0, -1)]
    assert all(a.macs > b.macs and a.params > b.params for a, b in pairwise(series))


def test_a_plan_for_other_weights_is_refused(plain, residual):
    with pytest.raises(PlanError, match="other weights"):
        cost(plain, plan_of(residual))


@pytest.mark.parametrize(
    ("filters", "message"),
    [((0, 99), "filters 0 to 15"), ((-1,), "filters 0 to 15"), (tuple(range(16)), "at least one")],
)
def test_a_plan_that_does_not_fit_is_refused(plain, filters, message):
    removal = Removal("conv1", filters, (Reason("dead"),) * len(filters))
    plan = Plan(plain.digest, Recipe(), Edits(plain.digest), (removal,))
    with pytest.raises(PlanError, match=message):
        kept_units(plain, plan)


def test_a_plan_that_names_a_protected_unknown_or_repeated_group_is_refused(concat):
    for name, message in (("head", "cannot be cut"), ("nowhere", "no group")):
        with pytest.raises(PlanError, match=message):
            kept_units(concat, plan_of(concat, **{name: 1}))
    removal = Removal("left", (0,), (Reason("dead"),))
    plan = Plan(concat.digest, Recipe(), Edits(concat.digest), (removal, removal))
    with pytest.raises(PlanError, match="twice"):
        kept_units(concat, plan)
