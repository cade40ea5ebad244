"""Means of removed filters go into biases, and norms are estimated anew, always the same way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import fold_means, reestimate
from sfp_viz.nets.pruning.cut_context import cut_context
from sfp_viz.nets.pruning.prune import prune, prune_with_report


class Pointwise(nn.Module):
    """1x1 convolutions, so that nothing happens at borders; filters 0 and 1 put out constants."""

    def __init__(self, *, bias: bool, norm: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 20, 1)
        self.second = nn.Conv2d(20, 12, 1, bias=bias)
        self.norm = nn.BatchNorm2d(12) if norm else nn.Identity()
        self.third, self.fc = nn.Conv2d(12, 12, 1, groups=2, bias=False), nn.Linear(12, 5)
        with torch.no_grad():
            self.first.weight[:2] = 0
            self.first.bias[:2] = torch.tensor([1.5, 0.5])

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.second(self.first(images).relu()))
        return self.fc(self.third(maps.relu()).mean((2, 3)))


@pytest.fixture
def images() -> Images:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)
    return Images("noise", "train", pixels, np.zeros(300, np.int64))


def model_of(module: nn.Module) -> Model:
    return Model(module.eval(), name="net", input_shape=(3, 8, 8))


def plan_of(model: Model, compensation: str, units=(0, 1)) -> Plan:
    removal = Removal("first", units, (Reason("by_hand"),) * len(units))
    recipe = Recipe(compensation=compensation)
    return Plan(model.digest, recipe, Edits(model.digest), (removal,))


def outputs(model: Model, images: Images) -> Tensor:
    with torch.no_grad():
        return model.module(model.normalize(torch.from_numpy(images.pixels.copy())))


@pytest.mark.parametrize(
    ("bias", "norm"), [(True, False), (True, True), (False, True), (False, False)]
)
def test_filters_that_put_out_constants_are_made_up_for_exactly(images, bias, norm):
    model = model_of(Pointwise(bias=bias, norm=norm))
    cut = cut_context(model, {"first": (0, 1)})
    report = fold_means(cut, images)
    assert report.notes == ()
    assert report.added_biases == (() if bias or norm else ("second.bias",))
    folded = model_of(cut.module)
    pruned = prune(folded, replace(plan_of(model, "bias"), digest=folded.digest, recipe=Recipe()))
    assert torch.allclose(outputs(pruned, images), outputs(model, images), atol=1e-5)


def test_compensation_comes_closer_and_lists_the_biases_it_adds(images):
    model = model_of(Pointwise(bias=False, norm=False))
    whole = outputs(model, images)
    errors = []
    for kind in ("none", "bias"):
        pruned = prune(model, plan_of(model, kind, (0, 1, 5, 9)), calibration=images)
        errors.append((outputs(pruned, images) - whole).square().mean().item())
        assert pruned.added_biases == (("second.bias",) if kind == "bias" else ())
    assert errors[1] < errors[0] / 2


def test_grouped_readers_get_the_mean_of_their_own_block(images):
    model = model_of(Pointwise(bias=True, norm=False))
    with torch.no_grad():
        model.module.second.weight[[0, 6]] = 0
        model.module.second.bias[[0, 6]] = torch.tensor([0.7, 0.3])
    model = model_of(model.module)
    removal = Removal("second", (0,), (Reason("by_hand"),))
    plan = Plan(model.digest, Recipe(compensation="bias"), Edits(model.digest), (removal,))
    pruned = prune(model, plan, calibration=images)
    assert pruned.added_biases == ("third.bias",)
    assert torch.allclose(outputs(pruned, images), outputs(model, images), atol=1e-5)


def test_reestimated_means_are_the_plain_average_over_the_images(residual_model, images):
    some = images.first(256)
    again = reestimate(residual_model, some)
    with torch.no_grad():
        pixels = again.normalize(torch.from_numpy(some.pixels.copy()))
        maps = again.module.stem[0](pixels)
    assert torch.allclose(again.module.stem[1].running_mean, maps.mean((0, 2, 3)), atol=1e-5)
    assert again.module.stem[1].momentum == 0.1
    assert not any(part.training for part in again.module.modules())


def test_reestimation_is_the_same_each_time_and_leaves_the_original(residual_model, images):
    was = residual_model.module.stem[1].running_mean.clone()
    assert reestimate(residual_model, images).digest == reestimate(residual_model, images).digest
    assert torch.equal(residual_model.module.stem[1].running_mean, was)


def test_a_network_without_norms_needs_no_reestimation(images):
    model = model_of(Pointwise(bias=True, norm=False))
    assert reestimate(model, images) is model


def test_images_of_another_shape_are_refused(residual_model):
    wrong = Images("small", "train", np.zeros((4, 1, 8, 8), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(DataError, match="Calibration"):
        reestimate(residual_model, wrong)


@pytest.mark.parametrize("kind", ["lsq_channel", "lsq_window"])
def test_a_refit_makes_up_for_constants_exactly_with_a_new_bias_where_it_must(images, kind):
    model = model_of(Pointwise(bias=False, norm=False))
    pruned = prune(model, plan_of(model, kind), calibration=images)
    assert pruned.added_biases == ("second.bias",)
    assert torch.allclose(outputs(pruned, images), outputs(model, images), atol=1e-4)


class Upwards(nn.Module):
    """A transposed convolution reads the first layer: no constant of its inputs can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.up = nn.Conv2d(3, 20, 1), nn.ConvTranspose2d(20, 12, 2, stride=2)
        self.fc = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.up(self.first(images).relu()).relu().mean((2, 3)))


@pytest.mark.parametrize("kind", ["bias", "merge", "scale", "lsq_channel", "lsq_window"])
def test_a_layer_that_can_take_up_nothing_is_named(images, kind):
    model = model_of(Upwards())
    _, repair = prune_with_report(
        model, plan_of(model, kind), calibration=images, plain=True, reestimate_norms=False
    )
    assert repair.notes == (
        "'up' (ConvTranspose2d) cannot take up what the removed filters fed it.",
    )
