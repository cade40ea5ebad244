"""Random plans by property: what is shown is counted, what is pruned computes and trains.

``benchmarks/zoo.py`` does the same for all of torchvision; the slow test here repeats it with
fifty plans for each network of the list.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import masked, prune
from sfp_viz.nets.tracing.execution import execute
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo import architectures
from tests.tiny import randomize

SLOW = (
    *("resnet18", "resnet50", "vgg16_bn", "mobilenet_v2", "mobilenet_v3_large"),
    "densenet121",
    *("efficientnet_b0", "convnext_tiny", "squeezenet1_1", "mnasnet1_0"),
    *("googlenet", "mobilenet_v3_small", "regnet_y_400mf"),
)


def built(name: str) -> Model:
    aside = {"aux_logits": False} if name == "googlenet" else {}
    module = architectures.build(f"torchvision:{name}", {"num_classes": 7, **aside})
    return Model(randomize(module), name=name, input_shape=(3, 64, 64))


def random_plan(network, seed: int) -> Plan:
    """From none to all but one unit of every group that may be cut."""
    source = np.random.default_rng(seed)
    removals = []
    for group in network.free:
        count = int(source.integers(0, group.size))
        units = np.sort(source.choice(group.size, count, replace=False)).tolist()
        removals.append(Removal(group.name, tuple(units), (Reason("random"),) * count))
    whole = Edits(network.digest)
    return Plan(network.digest, Recipe(), whole, tuple(r for r in removals if r.filters))


def largest_maps(model: Model) -> int:
    """Most bytes that one convolution or linear layer reads and writes, counted by running it."""
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)
    calls = execute(model.module, model.input_shape).calls
    pairs = [pair for name, part in model.module.named_modules() if isinstance(part, kinds)
             for pair in calls.get(name, ())]  # fmt: skip
    return max(4 * int(np.prod(ins[1:]) + np.prod(outs[1:])) for ins, outs in pairs)


def check(model: Model, network, plan: Plan) -> None:
    pruned = prune(model, plan, network=network)
    shown = cost(network, plan)
    assert (shown.macs, shown.params) == (count_macs(pruned), count_params(pruned))
    assert shown.peak_activation_bytes == largest_maps(pruned)
    images = torch.randn(2, *model.input_shape, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        silent = masked(model, plan, network).module.eval()(images)
        gap = (pruned.module.eval()(images) - silent).abs().max()
    assert gap <= 1e-4 * silent.abs().max()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout
        pruned.module.train()(images).square().mean().backward()
    gradients = [p.grad for p in pruned.module.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("seed", range(5))
def test_random_plans_of_a_tiny_network_cost_what_they_show_and_train(tiny_model, seed):
    network = read_network(tiny_model)
    check(tiny_model, network, random_plan(network, seed))


def test_a_random_plan_of_a_real_architecture_costs_what_it_shows_and_trains():
    """Of branches side by side; test_exact.py cuts the other kinds of architecture."""
    model = built("googlenet")
    network = read_network(model)
    assert network.free
    check(model, network, random_plan(network, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_fifty_random_plans_of_an_architecture_cost_what_they_show_and_train(name):
    model = built(name)
    network = read_network(model)
    for seed in range(50):
        check(model, network, random_plan(network, seed))
