"""Plans that do not fit are refused, and a cut leaves the original alone."""

from __future__ import annotations

import pytest
import torch

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import PlanError
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import masked, prune
from sfp_viz.nets.tracing.read_network import read_network


def plan_of(model: Model, **removals: tuple[int, ...]) -> Plan:
    """Groups are named with '__' for dots."""
    parts = [
        Removal(name.replace("__", "."), units, (Reason("by_hand"),) * len(units))
        for name, units in removals.items()
    ]
    return Plan(model.digest, Recipe(), Edits(model.digest), tuple(parts))


def test_a_plan_for_other_weights_is_refused(plain_model):
    plan = Plan("0" * 16, Recipe(), Edits("0" * 16), ())
    for act in (prune, masked):
        with pytest.raises(PlanError, match="other weights"):
            act(plain_model, plan)


@pytest.mark.parametrize(
    ("removals", "said"),
    [
        ({"conv9": (1,)}, "does not have"),
        ({"conv3": (1, 8)}, "filter 8 of 'conv3', which has only the filters 0 to 7"),
        ({"conv3": (-1, 3)}, "filter -1 of 'conv3'"),
        ({"conv3": tuple(range(8))}, "leaves no filter of 'conv3'"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_with_the_place(plain_model, removals, said):
    with pytest.raises(PlanError, match=said):
        prune(plain_model, plan_of(plain_model, **removals))


def test_a_protected_group_is_not_cut():
    from sfp_viz.nets.zoo import architectures

    module = architectures.build("cifar_resnet", {"blocks": 1})
    model = Model(module.eval(), name="net", input_shape=(3, 16, 16))
    with pytest.raises(PlanError, match=r"protected group 'conv1' .narrow input"):
        prune(model, plan_of(model, conv1=(0,)))


def test_the_original_stays_as_it_was(residual_model):
    before = {k: v.clone() for k, v in residual_model.module.state_dict().items()}
    pruned = prune(residual_model, plan_of(residual_model, inner__0=(0, 3), stem__0=(19,)))
    after = residual_model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert pruned.module.inner[0].weight.shape == (8, 19, 3, 3)
    assert pruned.module.outer[0].weight.shape == (19, 8, 3, 3)
    assert pruned.module.outer[1].num_features == 19


def test_an_empty_plan_changes_nothing_but_the_chain(plain_model):
    pruned = prune(plain_model, plan_of(plain_model))
    assert pruned.digest == plain_model.digest
    assert len(pruned.plans) == 1


def test_a_cut_network_can_be_read_and_cut_again(tiny_model):
    once = prune(tiny_model, make_plan_for(Problem(read_network(tiny_model), Request(Recipe(0.3)))))
    network = read_network(once)
    assert network.free
    plan = make_plan_for(Problem(network, Request(Recipe(0.2))))
    twice = prune(once, plan, network=network)
    assert twice.plans == (*once.plans, plan)
    assert twice.base_digest == tiny_model.digest
    found = (count_macs(twice), count_params(twice))
    assert (cost(network, plan).macs, cost(network, plan).params) == found


def test_the_same_offset_goes_from_every_conv_group(depthwise_model):
    pruned = prune(depthwise_model, plan_of(depthwise_model, point__0=(1, 4), paired__0=(0,)))
    before, after = depthwise_model.module.paired[0], pruned.module.paired[0]
    assert (after.groups, after.in_channels, after.out_channels) == (2, 12, 10)
    kept_in, kept_out = [0, 2, 3, 5, 6, 7], [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert torch.equal(after.weight, before.weight[kept_out][:, kept_in])


def test_frozen_parameters_stay_frozen(plain_model):
    try:
        plain_model.module.conv2.weight.requires_grad_(False)
        pruned = prune(plain_model, plan_of(plain_model, conv1=(0,), conv2=(1,)))
    finally:
        plain_model.module.conv2.weight.requires_grad_(True)
    learns = {name: p.requires_grad for name, p in pruned.module.named_parameters()}
    assert [name for name, yes in learns.items() if not yes] == ["conv2.weight"]
