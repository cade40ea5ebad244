"""What a plan shows is what the pruned network counts: default plans and ratios by hand."""

from __future__ import annotations

import pytest
import torch

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.samples import sample_names
from sfp_viz.nets.pruning.prune import masked, prune
from sfp_viz.nets.tracing.read_network import read_network

# Marked slow: each kind of layer is met by a quicker one, a tiny network, and in test_exact.py.
SLOWEST = ("resnet18", "vgg16_bn", "mobilenet_v2", "densenet121", "regnet_y_400mf", "convnext_tiny")
LARGE = ("resnet18", "vgg16_bn", "mobilenet_v2", "densenet121", "regnet_y_400mf", "convnext_tiny")


def opened(name):
    if name in LARGE:
        return load_model(f"torchvision:{name}", input_shape=(3, 64, 64))
    return load_model(name)


def check(model, network, plan):
    pruned = prune(model, plan, network=network)
    shown = cost(network, plan)
    assert (shown.macs, shown.params) == (count_macs(pruned), count_params(pruned))
    images = torch.randn(2, *model.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        silent = masked(model, plan, network).module.eval()(images)
        gap = (pruned.module.eval()(images) - silent).abs().max()
    assert gap < 1e-5 * max(1.0, float(silent.abs().max()))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOWEST else ())
        for name in (*sample_names(), *LARGE)
    ],
)
def test_default_plans_and_ratios_by_hand_cost_what_they_show(name):
    # k-means takes a minute for the large ones
    check_plans(opened(name), clustering="agglomerative" if name in LARGE else "kmeans")


def test_plans_of_a_tiny_network_cost_what_they_show(tiny_model):
    check_plans(tiny_model)


def check_plans(model, clustering="kmeans"):
    """A default plan, and one with ratios by hand."""
    network = read_network(model)
    recipe = Recipe(target_reduction=0.2, clustering=clustering)
    plan = make_plan_for(Problem(network, Request(recipe)))
    assert plan.removals
    check(model, network, plan)

    draw = torch.Generator().manual_seed(7)
    free = [group.name for group in network.free]
    drawn = (0.6 * torch.rand(len(free), generator=draw)).tolist()
    by_hand = Edits(network.digest, ratios=tuple(zip(free, drawn, strict=True)))
    whole = Recipe(target_reduction=0.0, clustering=clustering)
    check(model, network, make_plan_for(Problem(network, Request.of(whole, by_hand))))
