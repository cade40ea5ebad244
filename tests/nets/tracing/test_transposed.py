"""Transposed convolutions, whose weights torch stores with the channels first (docs/method.md)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import filters_first
from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.core.plan.recipe import (
    Recipe,
    chip,
    fpgm,
    functional,
    group_magnitude,
    hrank,
    uniform_l1,
)
from sfp_viz.core.plan.recipe import taylor as taylor_of
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.importance import importance
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.activation_scores import taylor
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.execution import execute
from sfp_viz.nets.tracing.read_network import channel_groups, read_network

DEAD = 7


class Upsampling(nn.Module):
    """Convolution 3 -> 20, transposed 20 -> 12 to twice the size, convolution 12 -> 10, linear."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 20, 3, padding=1)
        self.up = nn.ConvTranspose2d(20, 12, 2, 2, groups=groups)
        self.norm = nn.BatchNorm2d(12)
        self.c = nn.Conv2d(12, 10, 3, padding=1)
        self.fc = nn.Linear(10, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.norm(self.up(F.relu(self.a(images)))))
        return self.fc(F.relu(self.c(maps)).mean((2, 3)))


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    module = Upsampling()
    with torch.no_grad():
        module.up.weight[:, DEAD] = 0
    return Model(module.eval(), name="up", input_shape=(3, 6, 6))


@pytest.fixture(scope="module")
def network(model):
    return read_network(model)


def test_its_filters_are_read_as_those_of_any_convolution(model, network):
    layer, group = network.layer("up"), network.group("up")
    assert (layer.weight.shape, layer.filters, layer.output_size) == ((12, 20, 2, 2), 12, (12, 12))
    assert (group.size, group.protected, layer.transposed) == (12, False, True)
    module: Any = model.module
    expected = module.up.weight.detach().transpose(0, 1).numpy()
    np.testing.assert_array_equal(layer.weight, expected)
    assert layer.bn_scale.shape == layer.scale.shape == (12,)
    assert not network.layer("c").transposed


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_filter_is_all_that_makes_one_output_channel(groups):
    torch.manual_seed(1)
    layer = nn.ConvTranspose2d(8, 12, 3, groups=groups, bias=False)
    filters = filters_first(layer.weight.detach().numpy(), groups)
    assert filters.shape == (12, 8 // groups, 3, 3)
    images = torch.zeros(8, 8, 1, 1)
    images[range(8), range(8)] = 1  # one impulse for each channel: its slices come out
    found = layer(images).detach().square().sum((0, 2, 3)).numpy()
    np.testing.assert_allclose(np.square(filters).sum((1, 2, 3)), found, rtol=1e-5)


def test_it_can_be_explored_in_conv_groups_and_stays_whole():
    module = Upsampling(groups=2).eval()
    network = read_network(Model(module, name="paired", input_shape=(3, 6, 6)))
    assert network.layer("up").weight.shape == (12, 10, 2, 2)
    assert network.group("up").protected
    assert network.group("up").size * network.group("up").repeats == 12


def test_filters_do_not_divide_into_no_conv_groups():
    for wrong in (0, -1, 3):
        with pytest.raises(ValueError, match="conv_groups"):
            filters_first(np.zeros((8, 2, 3, 3), np.float32), wrong)


def test_a_dead_filter_has_no_importance_and_goes_first(network):
    scores = importance(network, network.group("up"), "l1")
    assert np.flatnonzero(scores == 0).tolist() == [DEAD]
    expected = np.abs(network.layer("up").weight).sum((1, 2, 3))
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    for recipe in (uniform_l1(0.1), Recipe(0.1), fpgm(0.1)):
        plan = make_plan_for(Problem(network, Request(recipe)))
        removal = next(r for r in plan.removals if r.group == "up")
        assert dict(zip(removal.filters, removal.reasons, strict=True))[DEAD].kind == "dead"


def test_group_magnitude_counts_filter_norm_and_reader(model, network):
    module: Any = model.module
    parts = [
        module.up.weight.detach().double().square().sum((0, 2, 3)),
        module.norm.weight.detach().double().square(),
        module.c.weight.detach().double().square().sum((0, 2, 3)),
    ]
    found = importance(network, network.group("up"), "group_magnitude")
    np.testing.assert_allclose(found, torch.stack(parts).mean(0).numpy(), rtol=1e-6)


def test_taylor_scores_its_output_channels(model):
    groups = [g for g in channel_groups(model) if g.name == "up"]
    module = Upsampling().eval()
    module.load_state_dict(model.module.state_dict())
    with torch.no_grad():
        module.c.weight[:, 3] = 0  # nobody hears unit 3
    batch = (torch.randn(6, 3, 6, 6), torch.arange(6) % 5)
    execution = execute(module, model.input_shape)
    found = taylor(module, execution, groups, [batch])["up"]
    assert found.shape == (12,)
    assert found[3] == 0 < np.delete(found, [3, DEAD]).max()


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (24, 3, 6, 6), np.uint8)
    return Images("noise", "train", pixels, draw.integers(0, 5, 24))


@pytest.fixture(scope="module")
def seen(model, images):
    return observe(model, images, scores=("taylor", "hrank", "chip"))


@pytest.mark.parametrize("recipe", [functional(0.5), taylor_of(0.5), hrank(0.5), chip(0.5)])
def test_what_it_feeds_forward_is_observed_and_planned_with(model, network, images, seen, recipe):
    for group, units in (("a", 20), ("up", 12), ("c", 10)):
        assert seen.covariance[group].shape == (units, units)
        assert all(seen.score(name, group).shape == (units,) for name in seen.scores)
    plan = make_plan_for(Problem(network, Request(recipe), Evidence(observations=seen)))
    small = prune(model, plan, network=network, calibration=images)
    assert cost(network, plan).macs <= 0.5 * cost(network).macs
    assert small.module(torch.zeros(1, 3, 6, 6)).shape == (1, 5)


@pytest.mark.parametrize("recipe", [uniform_l1(0.5), Recipe(0.5), group_magnitude(0.5)])
def test_it_is_cut_as_planned(model, network, recipe):
    plan = make_plan_for(Problem(network, Request(recipe)))
    gone = set(plan.removed("up"))
    assert gone
    small = prune(model, plan, network=network)
    keep = [unit for unit in range(12) if unit not in gone]
    left = [unit for unit in range(20) if unit not in plan.removed("a")]
    module: Any = model.module
    expected = module.up.weight.detach()[left][:, keep]
    cut: Any = small.module
    assert torch.equal(cut.up.weight.detach(), expected)
    again = read_network(small)
    assert again.layer("up").weight.shape == (len(keep), len(left), 2, 2)
    assert cost(network, plan).macs == cost(again).macs


def test_a_reading_with_it_survives_json(model, network):
    arrays = {name: value.numpy() for name, value in model.module.state_dict().items()}
    again = network_from_json(network_to_json(network), arrays)
    assert again.layer("up").transposed
    for layer in network.layers:
        np.testing.assert_array_equal(again.layer(layer.name).weight, layer.weight)
    recipe = uniform_l1(0.5)
    assert (
        make_plan_for(Problem(again, Request(recipe))).hash
        == make_plan_for(Problem(network, Request(recipe))).hash
    )


def test_its_old_reading_opens_and_is_of_an_older_version(model, network):
    """Earlier versions took the channels that it reads for its filters."""
    from sfp_viz.core.network_json import covers_all

    entry = json.loads(network_to_json(network))
    assert covers_all(network_to_json(network))
    for layer in entry["layers"]:
        del layer["transposed"]
        if layer["name"] == "up":
            layer |= {"shape": [20, 12, 2, 2], "scale": None, "bn_scale": None}
    entry["covers"] = 3
    assert not covers_all(json.dumps(entry, sort_keys=True))
    arrays = {name: value.numpy() for name, value in model.module.state_dict().items()}
    old = network_from_json(json.dumps(entry, sort_keys=True), arrays)
    assert old.layer("up").weight.shape == (20, 12, 2, 2)
