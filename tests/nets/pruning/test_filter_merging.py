"""Filters merged into a similar one: exact for duplicates, by hand for scaled ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.filter_merging import scale_factor
from sfp_viz.nets.pruning.prune import masked, prune, prune_with_report
from sfp_viz.nets.tracing.read_network import channel_groups


@pytest.fixture
def images() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)
    return Images("noise", "train", pixels, np.zeros(300, np.int64))


def plan_of(model: Model, compensation: str, group: str, units: tuple[int, ...]) -> Plan:
    removal = Removal(group, units, (Reason("by_hand"),) * len(units))
    return Plan(model.digest, Recipe(compensation=compensation), Edits(model.digest), (removal,))


def outputs(model: Model, images: Images) -> Tensor:
    with torch.no_grad():
        return model.module(model.normalize(torch.from_numpy(images.pixels.copy())))


def apart(model: Model, kind: str, group: str, units: tuple[int, ...], images: Images) -> float:
    small, _ = prune_with_report(
        model,
        plan_of(model, kind, group, units),
        calibration=images,
        plain=True,
        reestimate_norms=False,
    )
    return float((outputs(small, images) - outputs(model, images)).abs().max())


def duplicated(model: Model, writers: dict[str, str], pairs: dict[int, int]) -> Model:
    """Each unit of ``pairs`` made the double of another: layers with their norms, if any."""
    import copy

    module = copy.deepcopy(model.module)
    with torch.no_grad():
        for name, norm in writers.items():
            parts = [module.get_submodule(n) for n in (name, norm) if n]
            tensors = [t for part in parts for t in part.state_dict().values() if t.ndim]
            for tensor in tensors:
                for double, first in pairs.items():
                    tensor[double] = tensor[first]
    return model.with_module(module)


PAIRS = {4: 1, 7: 1, 9: 3}


@pytest.mark.parametrize(
    ("net", "group", "writers"),
    [
        ("plain", "conv1", {"conv1": ""}),
        ("residual", "inner.0", {"inner.0": "inner.1"}),
        ("residual", "stem.0", {"stem.0": "stem.1", "outer.0": "outer.1"}),
        ("depthwise", "stem.0", {"stem.0": "stem.1", "depth.0": "depth.1", "expand": ""}),
        ("concat", "right.0", {"right.0": "right.1"}),
    ],
)
def test_duplicated_filters_are_merged_without_any_loss(request, images, net, group, writers):
    model = duplicated(request.getfixturevalue(f"{net}_model"), writers, PAIRS)
    assert apart(model, "none", group, tuple(PAIRS), images) > 2e-4
    assert apart(model, "merge", group, tuple(PAIRS), images) < 1e-5


def test_every_place_where_a_concat_holds_the_double_takes_it_in(concat_model, images):
    model = duplicated(concat_model, {"left.0": "left.1"}, {5: 2})
    assert apart(model, "merge", "left.0", (5,), images) < 1e-5


def test_filters_that_are_not_alike_or_opposite_are_only_dropped(plain_model, images):
    merged, repair = prune_with_report(
        plain_model,
        plan_of(plain_model, "merge", "conv1", (2, 5)),
        calibration=images,
        plain=True,
        reestimate_norms=False,
    )
    dropped, _ = prune_with_report(plain_model, plan_of(plain_model, "none", "conv1", (2, 5)))
    assert merged.digest == dropped.digest
    assert repair.notes == ()
    turned = duplicated(plain_model, {"conv1": ""}, {4: 1})
    with torch.no_grad():
        turned.module.conv1.weight[4] *= -1
    turned = turned.with_module(turned.module)
    merged, _ = prune_with_report(
        turned,
        plan_of(turned, "merge", "conv1", (4,)),
        calibration=images,
        plain=True,
        reestimate_norms=False,
    )
    assert (
        merged.digest == prune_with_report(turned, plan_of(turned, "none", "conv1", (4,)))[0].digest
    )


class Normed(nn.Module):
    """1x1 convolutions with a norm between them and no activation, so that scaling is exact."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 20, 1), nn.BatchNorm2d(20)
        self.second, self.fc = nn.Conv2d(20, 4, 1, bias=False), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.second(self.norm(self.first(images))).relu().mean((2, 3)))


def scaled_model(*, gamma: float = 0.7) -> Model:
    source = torch.Generator().manual_seed(3)
    module = Normed().eval()
    with torch.no_grad():
        for tensor in [*module.parameters(), module.norm.running_mean]:
            tensor.normal_(0, 0.5, generator=source)
        module.norm.running_var.uniform_(0.5, 2, generator=source)
        module.norm.weight.uniform_(0.5, 1.5, generator=source)
        module.norm.weight[4] = gamma
        module.first.weight[4] = 1.7 * module.first.weight[1]
    return Model(module, name="net", input_shape=(3, 8, 8))


def test_the_factor_and_constant_of_neuron_merging_by_hand(images):
    """docs/method.md: z_i = S z_j + B, with S and B worked out on the norm's inputs."""
    norm, part = scaled_model().module.norm.double(), scaled_model().module.first
    share = scale_factor(part, norm, 4, 1)
    sigma = (norm.running_var + norm.eps).sqrt()
    gamma, beta, mu = norm.weight, norm.bias, norm.running_mean
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    z_i = gamma[4] * (1.7 * x - mu[4]) / sigma[4] + beta[4]
    z_j = gamma[1] * (x - mu[1]) / sigma[1] + beta[1]
    rest = z_i - share * z_j
    s = 1.7
    constant = gamma[4] / sigma[4] * (s * (mu[1] - sigma[1] * beta[1] / gamma[1]) - mu[4]) + beta[4]
    assert torch.allclose(rest, constant.expand(9), atol=1e-6)


def test_a_scaled_filter_behind_a_norm_is_made_up_for_exactly(images):
    model = scaled_model()
    assert apart(model, "none", "first", (4,), images) > 1e-3
    assert apart(model, "scale", "first", (4,), images) < 1e-5
    assert prune(
        model, plan_of(model, "scale", "first", (4,)), calibration=images
    ).added_biases == ("second.bias",)


@pytest.mark.parametrize("gamma", [0.0, -0.4])
def test_a_filter_whose_norm_turns_or_kills_it_is_not_scaled(gamma):
    module = scaled_model(gamma=gamma).module
    assert scale_factor(module.first, module.norm, 4, 1) == 0
    assert scale_factor(module.first, module.norm, 1, 4) == 0


def test_filters_of_norm_0_or_variance_0_are_not_scaled(images):
    module = scaled_model().module
    with torch.no_grad():
        module.first.weight[4] = 0
        module.norm.running_var[2] = 0
    assert scale_factor(module.first, module.norm, 4, 1) == 0
    assert scale_factor(module.first, module.norm, 2, 1) == 0
    model = Model(module, name="net", input_shape=(3, 8, 8))
    for kind in ("merge", "scale"):
        assert np.isfinite(apart(model, kind, "first", (4,), images))


def test_a_group_that_several_layers_write_says_that_it_is_not_scaled(residual_model, images):
    plan = plan_of(residual_model, "scale", "stem.0", (1, 2))
    _, repair = prune_with_report(
        residual_model, plan, calibration=images, plain=True, reestimate_norms=False
    )
    assert repair.notes == ("'stem.0' is not scaled: several layers write its channels.",)


def test_filters_tied_by_grouped_convolutions_are_named_as_such_where_they_are_not_scaled(
    depthwise_model, images
):
    plan = plan_of(depthwise_model, "scale", "point.0", (1, 2))
    _, repair = prune_with_report(
        depthwise_model, plan, calibration=images, plain=True, reestimate_norms=False
    )
    assert repair.notes == (
        "'point.0' is not scaled: grouped convolutions tie 2 filters to a unit, and the factor is "
        "for one.",
    )


@pytest.mark.parametrize("merged", [True, False])
def test_merging_needs_no_images(plain_model, images, merged):
    model = duplicated(plain_model, {"conv1": ""}, PAIRS)
    plan = plan_of(model, "merge", "conv1", tuple(PAIRS))
    small = prune(model, plan) if merged else prune_with_report(model, plan, compensated=False)[0]
    gap = float((outputs(small, images) - outputs(model, images)).abs().max())
    assert gap < 1e-5 if merged else gap > 2e-4


@pytest.mark.parametrize("kind", ["bias", "scale", "lsq_channel", "lsq_window"])
def test_without_images_the_cut_network_is_the_silenced_one_and_says_what_was_left_out(
    tiny_model, images, kind
):
    group = next(group for group in channel_groups(tiny_model) if not group.problem)
    plan = plan_of(tiny_model, kind, group.name, (0, 3))
    with pytest.warns(UserWarning, match=f"'{kind}' needs images.*calibration="):
        small = prune(tiny_model, plan)
    silent = masked(tiny_model, plan)
    assert torch.allclose(outputs(small, images), outputs(silent, images), atol=1e-4)
    (note,) = prune_with_report(tiny_model, plan)[1].notes
    assert f"'{kind}' needs images" in note


@pytest.mark.parametrize("kind", ["none", "merge"])
def test_without_images_nothing_is_left_out_of_what_needs_none(tiny_model, kind):
    group = next(group for group in channel_groups(tiny_model) if not group.problem)
    found = prune_with_report(tiny_model, plan_of(tiny_model, kind, group.name, (0,)))[1]
    assert not any("needs images" in note for note in found.notes)
