"""Networks at the edges (docs/method.md): norms without gamma, inputs of any size."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Compensation, Recipe, bn_scale, uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.channel_groups import silence
from sfp_viz.nets.tracing.read_network import channel_groups, read_network


@pytest.fixture(scope="module")
def images() -> Images:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (200, 3, 8, 8), np.uint8)
    return Images("noise", "train", pixels, draw.integers(0, 5, 200))


def outputs(model: Model, images: Images) -> Tensor:
    with torch.no_grad():
        return model.module(model.normalize(torch.from_numpy(images.pixels.copy())))


class Bare(nn.Module):
    """Convolutions with BatchNorm that has no gamma and no beta. The first six filters of the
    first are alike in pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(3, 20, 3, padding=1), nn.BatchNorm2d(20, affine=False)
        self.second, self.norm2 = nn.Conv2d(20, 12, 3, padding=1), nn.BatchNorm2d(12, affine=False)
        self.fc = nn.Linear(12, 5)
        first: Any = self.first
        with torch.no_grad():
            first.weight[1:6:2] = first.weight[0:6:2]
            first.bias[1:6:2] = first.bias[0:6:2]

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.norm1(self.first(images)))
        return self.fc(F.relu(self.norm2(self.second(maps))).mean((2, 3)))


@pytest.fixture(scope="module")
def bare(images) -> Model:
    """``Bare`` with the statistics of the images."""
    torch.manual_seed(0)
    module = Bare().train()
    model = Model(module, name="bare", input_shape=(3, 8, 8))
    for norm in (module.norm1, module.norm2):
        norm.momentum = None
    outputs(model, images)
    return model.with_module(module.eval())


def plan_of(model: Model, compensation: Compensation) -> Plan:
    removal = Removal("first", (1, 3, 5), (Reason("by_hand"),) * 3)
    recipe = Recipe(compensation=compensation)
    return Plan(model.digest, recipe, Edits(model.digest), (removal,))


def test_a_norm_without_gamma_is_read_as_one_of_gamma_1(bare):
    network, module = read_network(bare), bare.module
    assert [(g.name, g.protected) for g in network.groups] == [("first", False), ("second", False)]
    layer, norm = network.layer("first"), module.get_submodule("norm1")
    assert layer.bn_scale is not None
    assert layer.scale is not None
    assert layer.bn_scale.tolist() == [1] * 20
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    np.testing.assert_allclose(layer.scale, (norm.running_var + norm.eps).rsqrt(), rtol=1e-6)


@pytest.mark.parametrize("kind", get_args(Compensation))
def test_a_cut_behind_a_norm_without_gamma_is_repaired_whole(bare, images, kind):
    """Doubles go, so that what can be made up for is made up for entirely."""
    cut = prune(bare, plan_of(bare, kind), calibration=images, plain=True)
    small: Any = cut.module
    assert small.norm1.num_features == small.norm1.running_mean.numel() == 17
    assert small.norm1.weight is None
    assert small.second.weight.shape == (12, 17, 3, 3)
    whole = outputs(bare, images)
    apart = float((outputs(cut, images) - whole).square().mean() / whole.var())
    assert apart < (1e-3 if kind not in ("none", "bias") else 1.0)
    if kind == "none":
        assert apart > 1e-3


@pytest.mark.parametrize("recipe", [uniform_l1(0.5), Recipe(0.5), bn_scale(0.5)])
def test_a_plan_for_norms_without_gamma_is_cut(bare, images, recipe):
    network = read_network(bare)
    plan = make_plan_for(Problem(network, Request(recipe)))
    small = prune(bare, plan, calibration=images, network=network)
    assert torch.isfinite(outputs(small, images)).all()
    assert [g.size for g in read_network(small).groups] == [
        g.size - len(plan.removed(g.name)) for g in network.groups
    ]


class AnySize(nn.Module):
    """A network that asks its input how large it is: enlarging, pooling and flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 20, 3, 2, 1), nn.BatchNorm2d(20)
        self.second, self.fc = nn.Conv2d(20, 12, 3, padding=1), nn.Linear(12 * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.norm(self.first(images)))
        maps = F.interpolate(maps, size=images.shape[2:])
        maps = F.adaptive_avg_pool2d(F.relu(self.second(maps)), 2)
        return self.fc(maps.view(maps.shape[0], -1))


def test_a_network_for_inputs_of_any_size_is_read_alike_at_each_and_stays_one_when_cut():
    torch.manual_seed(0)
    module = AnySize().eval()
    readings = [
        read_network(Model(module, name="any", input_shape=(3, *size)))
        for size in ((8, 8), (16, 12))
    ]
    assert readings[0].groups == readings[1].groups
    assert [g.protected for g in readings[0].groups] == [False, False]
    sizes = [reading.layer("second").output_size for reading in readings]
    assert sizes == [(8, 8), (16, 12)]
    model = Model(module, name="any", input_shape=(3, 8, 8))
    plan = make_plan_for(Problem(readings[0], Request(uniform_l1(0.5))))
    small = prune(model, plan, network=readings[0])
    silent = AnySize().eval()
    silent.load_state_dict(module.state_dict())
    removed = {group.name: plan.removed(group.name) for group in readings[0].groups}
    assert all(removed.values())
    silence(silent, channel_groups(model), removed)
    for size in ((8, 8), (16, 12), (9, 21)):
        batch = torch.randn(2, 3, *size)
        with torch.no_grad():
            assert torch.allclose(small.module(batch), silent(batch), atol=1e-5)
