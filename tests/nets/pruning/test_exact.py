"""Costs are exact to the unit, and a cut network is the whole one with its channels at 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models import MobileNetV2
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.densenet import DenseNet
from torchvision.models.regnet import BlockParams, RegNet

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import masked, prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo import architectures
from tests.tiny import randomize

SMALL = {
    "lenet5": ({}, (1, 8, 8)),
    "cifar_resnet": ({"blocks": 2}, (3, 32, 32)),
    "cifar_resnet padded": ({"blocks": 2, "shortcut": "pad"}, (3, 32, 32)),
    "slim_vgg11": ({}, (1, 28, 28)),
}
SHRUNKEN = {  # torchvision's own classes with fewer and narrower layers of each kind
    "DenseNet": lambda: DenseNet(8, (2, 2, 2), 16, num_classes=10),
    "ConvNeXt": lambda: ConvNeXt(
        [CNBlockConfig(32, 64, 1), CNBlockConfig(64, None, 2)], num_classes=10
    ),
    "RegNet": lambda: RegNet(
        BlockParams.from_init_params(6, w_0=24, w_a=24, w_m=2.5, group_width=8, se_ratio=0.25),
        num_classes=10,
    ),
    "MobileNetV2": lambda: MobileNetV2(num_classes=10, width_mult=0.25),
}
LARGE = (
    "resnet18",
    "mobilenet_v3_small",
    "squeezenet1_1",
    "googlenet",
    *(
        pytest.param(name, marks=pytest.mark.slow)  # the shrunken ones have the same operations
        for name in ("vgg16_bn", "mobilenet_v2", "densenet121", "regnet_y_400mf", "convnext_tiny")
    ),
)


def built(name: str) -> Model:
    if name in SMALL:
        arguments, shape = SMALL[name]
        module = architectures.build(name.split()[0], arguments)
    elif name in SHRUNKEN:
        module, shape = SHRUNKEN[name](), (3, 64, 64)
    else:
        module, shape = architectures.build(f"torchvision:{name}", {}), (3, 64, 64)
    return Model(randomize(module), name=name, input_shape=shape)


def drawn_plan(network, *, seed=0, coupled=True) -> Plan:
    """Filters drawn at random: a third to two thirds of each group that may be cut."""
    source = np.random.default_rng(seed)
    removals = []
    for group in network.free:
        if coupled or len(group.layers) == 1:
            count = max(1, int(group.size * source.uniform(0.3, 0.65)))
            units = np.sort(source.choice(group.size, count, replace=False)).tolist()
            removals.append(Removal(group.name, tuple(units), (Reason("by_hand"),) * count))
    return Plan(network.digest, Recipe(), Edits(network.digest), tuple(removals))


def check_exact(model: Model, *, also_without_ties: bool = True) -> None:
    network = read_network(model)
    assert (cost(network).macs, cost(network).params) == (count_macs(model), count_params(model))
    assert network.free
    images = torch.randn(2, *model.input_shape, generator=torch.Generator().manual_seed(3))
    tied = any(len(group.layers) > 1 for group in network.free)
    for coupled in {tied, False} if also_without_ties else {tied}:
        plan = drawn_plan(network, seed=int(coupled), coupled=coupled)
        pruned, twin = prune(model, plan, network=network), masked(model, plan, network)
        counted = (count_macs(pruned), count_params(pruned))
        assert (cost(network, plan).macs, cost(network, plan).params) == counted
        assert counted[0] < count_macs(model)
        with torch.no_grad():
            expected, found = twin.module(images), pruned.module(images)
            whole = model.module(images)
        scale = expected.abs().max().item()
        assert (expected - found).abs().max().item() <= 1e-5 * scale
        assert (whole - expected).abs().max().item() > 1e-3 * scale  # the cut is not trivial
        assert pruned.plans == (plan,)
        assert pruned.base_digest == model.digest != pruned.digest
    pruned.module.train()
    pruned.module(images).square().sum().backward()
    gradients = [p.grad for p in pruned.module.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert len(gradients) == len(list(pruned.module.parameters()))


def test_a_tiny_network_is_cut_as_its_cost_and_its_silenced_twin_say(tiny_model):
    check_exact(tiny_model)


@pytest.mark.parametrize("name", SMALL)
def test_a_sample_architecture_is_cut_as_its_cost_and_its_silenced_twin_say(name):
    check_exact(built(name))


@pytest.mark.parametrize("name", [*SHRUNKEN, *LARGE])
def test_a_torchvision_network_is_cut_as_its_cost_and_its_silenced_twin_say(name):
    check_exact(built(name), also_without_ties=False)
