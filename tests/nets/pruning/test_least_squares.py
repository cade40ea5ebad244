"""The refit of the next layers against a slow plain one, and what it promises."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.cut_context import cut_context
from sfp_viz.nets.pruning.least_squares import FitOptions, refit
from sfp_viz.nets.pruning.normal_equations import NormalEquations
from sfp_viz.nets.pruning.prune import prune, prune_with_report
from sfp_viz.nets.tracing.channel_groups import silence
from sfp_viz.nets.tracing.read_network import channel_groups


@pytest.fixture
def images() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 3, 8, 8), dtype=np.uint8)
    return Images("noise", "train", pixels, np.zeros(256, np.int64))


def refitted(model: Model, group: str, units, images: Images, **how):
    cut = cut_context(model, {group: units})
    report = refit(cut, images, **how)
    return cut.module, report


def silenced(model: Model, group: str, units) -> nn.Module:
    module = copy.deepcopy(model.module).eval()
    silence(module, channel_groups(model), {group: units})
    return module


def live(module: nn.Module) -> nn.Module:
    """A copy whose norms use the statistics of what they are given, as during the refit."""
    module = copy.deepcopy(module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()
    return module


def seen(module: nn.Module, name: str, model: Model, images: Images) -> tuple[Tensor, Tensor]:
    """What the layer ``name`` reads and puts out on all images."""
    found = []
    hook = module.get_submodule(name).register_forward_hook(
        lambda part, ins, out: found.append((ins[0].clone(), out.clone()))
    )
    with torch.no_grad():
        for start in range(2):  # the batches of the refit
            module(model.normalize(torch.from_numpy(images.pixels[start::2].copy())))
    hook.remove()
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def plain_kernel(given: Tensor, wanted: Tensor, old: Tensor, kept, *, ridge: float, **conv):
    """The slow plain way: all windows side by side, the ridge as rows of their own, lstsq."""
    windows = F.unfold(given[:, kept], old.shape[2:], **conv).transpose(1, 2)
    rows = windows.reshape(-1, windows.shape[-1]).double().numpy()
    kernel = old[:, kept].flatten(1).double().numpy()
    left = wanted.flatten(2).transpose(1, 2).reshape(len(rows), -1).double().numpy()
    left = left - rows @ kernel.T
    centered, aim = rows - rows.mean(0), left - left.mean(0)
    level = ridge * np.trace(centered.T @ centered) / rows.shape[1]
    inputs = np.vstack([centered, np.sqrt(level) * np.eye(rows.shape[1])])
    targets = np.vstack([aim, np.zeros((rows.shape[1], aim.shape[1]))])
    change = np.linalg.lstsq(inputs, targets, rcond=None)[0].T
    return kernel + change, left.mean(0) - change @ rows.mean(0)


UNITS, KEPT = (0, 3, 7, 11), [1, 2, 4, 5, 6, 8, 9, 10, *range(12, 20)]


def test_a_kernel_refitted_on_windows_equals_the_plain_least_squares(plain_model, images):
    module, report = refitted(plain_model, "conv1", UNITS, images, options=FitOptions(ridge=0.01))
    given, _ = seen(silenced(plain_model, "conv1", UNITS), "conv2", plain_model, images)
    _, wanted = seen(plain_model.module, "conv2", plain_model, images)
    old = plain_model.module.conv2
    wanted = wanted - old.bias.detach().view(1, -1, 1, 1)
    kernel, offset = plain_kernel(
        given, wanted, old.weight.detach(), KEPT, ridge=0.01, stride=2, padding=1
    )
    assert [(r.name, r.form, r.rows) for r in report.layers] == [("conv2", "window", 256 * 16)]
    assert np.allclose(module.conv2.weight.detach()[:, KEPT].flatten(1), kernel, atol=2e-5)
    assert np.allclose(module.conv2.bias.detach() - old.bias.detach(), offset, atol=2e-5)


def test_channels_expressed_by_others_equal_the_plain_least_squares(plain_model, images):
    module, report = refitted(
        plain_model, "conv1", UNITS, images, window=False, options=FitOptions(ridge=0.01)
    )
    maps, _ = seen(plain_model.module, "conv2", plain_model, images)
    rows = maps.transpose(0, 1).flatten(1).T.double().numpy()
    kept, gone = rows[:, KEPT] - rows[:, KEPT].mean(0), rows[:, UNITS] - rows[:, UNITS].mean(0)
    level = 0.01 * np.trace(kept.T @ kept) / len(KEPT)
    inputs = np.vstack([kept, np.sqrt(level) * np.eye(len(KEPT))])
    share = np.linalg.lstsq(inputs, np.vstack([gone, np.zeros((len(KEPT), 4))]), rcond=None)[0].T
    old = plain_model.module.conv2.weight.detach().double().numpy()
    wanted = old[:, KEPT] + np.einsum("ophw,pk->okhw", old[:, UNITS], share)
    assert report.layers[0].form == "channel"
    assert np.allclose(module.conv2.weight.detach()[:, KEPT], wanted, atol=2e-5)


@pytest.mark.parametrize(
    ("window", "ridge"), [(True, 1e-2), (False, 1e-4), (False, 1e-2), (False, 1.0)]
)
def test_the_error_and_the_ridge_never_rise(tiny_model, images, window, ridge):
    for group in channel_groups(tiny_model):
        if group.problem:
            continue
        units = tuple(range(0, group.size, 3))
        _, report = refitted(
            tiny_model, group.name, units, images, window=window, options=FitOptions(ridge=ridge)
        )
        assert report.layers
        for layer in report.layers:
            assert layer.after + layer.penalty <= layer.before * (1 + 1e-9)


def test_the_error_reported_is_the_one_of_the_outputs(plain_model, images):
    module, report = refitted(plain_model, "conv1", UNITS, images)
    _, wanted = seen(plain_model.module, "conv2", plain_model, images)
    _, dropped = seen(silenced(plain_model, "conv1", UNITS), "conv2", plain_model, images)
    _, fitted = seen(module, "conv2", plain_model, images)
    before, after = ((wanted - put).double().square().sum() for put in (dropped, fitted))
    assert report.layers[0].before == pytest.approx(float(before), rel=1e-4)
    assert report.layers[0].after == pytest.approx(float(after), rel=1e-3)
    assert after < before / 4


def test_every_reader_of_a_concat_is_refitted_after_those_before_it(concat_model, images):
    _, report = refitted(concat_model, "stem.0", (1, 2, 8), images)
    assert [layer.name for layer in report.layers] == ["left.0", "right.0"]
    module, report = refitted(concat_model, "left.0", (0, 4), images)
    assert [layer.name for layer in report.layers] == ["join"]
    cut = live(silenced(concat_model, "left.0", (0, 4)))
    given, _ = seen(cut, "join", concat_model, images)
    _, wanted = seen(concat_model.module, "join", concat_model, images)
    kept = [i for i in range(22) if i not in (0, 4, 16, 20)]
    bias = concat_model.module.join.bias.detach()
    old = concat_model.module.join.weight.detach()
    kernel, _ = plain_kernel(
        given, wanted - bias.view(1, -1, 1, 1), old, kept, ridge=FitOptions().ridge, padding=1
    )
    assert np.allclose(module.join.weight.detach()[:, kept].flatten(1), kernel, atol=1e-4)


def test_a_layer_used_twice_is_fitted_on_both_of_its_inputs(concat_model, images):
    _, report = refitted(concat_model, "join", (2, 5), images)
    rows = {layer.name: (layer.form, layer.rows) for layer in report.layers}
    assert rows == {"twice": ("window", 2 * 256 * 64), "fc": ("channel", 256 * 16)}


def test_flattened_maps_are_refitted_channel_by_channel(plain_model, images):
    module, report = refitted(plain_model, "conv3", (1, 6), images)
    assert [(r.name, r.form) for r in report.layers] == [("fc", "channel")]
    assert "'fc' is refitted channel by channel" in report.notes[0]
    gone = module.fc.weight.detach().view(5, 8, 4)[:, [1, 6]]
    assert not gone.any()


def test_grouped_readers_take_up_the_mean_and_say_so(depthwise_model, images):
    module, report = refitted(depthwise_model, "point.0", (0, 3), images)
    assert [(r.name, r.form) for r in report.layers] == [("paired.0", "bias")]
    assert "grouped convolution" in report.notes[0]
    whole = depthwise_model.module
    _, wanted = seen(whole, "paired.0", depthwise_model, images)
    _, put = seen(live(module), "paired.0", depthwise_model, images)
    moved = module.paired[1].running_mean - whole.paired[1].running_mean
    assert torch.allclose(wanted.mean((0, 2, 3)) - put.mean((0, 2, 3)), -moved, atol=1e-5)


def test_too_few_images_for_the_inputs_leave_the_mean(plain_model, images):
    _, report = refitted(plain_model, "conv3", (0, 3), images.first(2))
    assert [(r.name, r.form) for r in report.layers] == [("fc", "bias")]
    assert "too many for 2 images" in report.notes[0]


def test_a_drawn_share_of_the_windows_gives_nearly_the_same(plain_model, images):
    whole, _ = refitted(plain_model, "conv1", UNITS, images)
    few = FitOptions(max_rows=2048)
    drawn, report = refitted(plain_model, "conv1", UNITS, images, options=few)
    again, _ = refitted(plain_model, "conv1", UNITS, images, options=few)
    assert report.layers[0].rows == 2048
    assert torch.equal(drawn.conv2.weight, again.conv2.weight)
    old = plain_model.module.conv2.weight
    moved = (whole.conv2.weight - old)[:, KEPT].norm()
    assert (drawn.conv2.weight - whole.conv2.weight)[:, KEPT].norm() < 0.5 * moved


def test_chunks_change_nothing(plain_model, images, monkeypatch):
    whole, _ = refitted(plain_model, "conv1", UNITS, images)
    monkeypatch.setattr("sfp_viz.nets.pruning.im2col._CHUNK", 1)
    small, _ = refitted(plain_model, "conv1", UNITS, images)
    assert torch.allclose(whole.conv2.weight, small.conv2.weight, atol=1e-6)


def test_the_equations_give_the_plain_solution_and_nothing_for_inputs_that_never_change():
    draw = np.random.default_rng(1)
    rows, wanted = draw.normal(size=(50, 4)), draw.normal(size=(50, 2))
    sums = NormalEquations(4, 2)
    for start in range(0, 50, 7):
        sums.add(*(torch.from_numpy(part[start : start + 7]) for part in (rows, wanted)))
    fit = sums.solve(1e-12)
    plain = np.linalg.lstsq(np.c_[rows, np.ones(50)], wanted, rcond=None)
    assert np.allclose(np.c_[fit.weights, fit.offset], plain[0].T)
    assert fit.after == pytest.approx(plain[1].sum())
    assert fit.before == pytest.approx((wanted**2).sum())
    still = NormalEquations(3, 1)
    still.add(torch.ones(5, 3), torch.arange(5.0)[:, None])
    assert not still.solve(1e-3).weights.any()
    assert float(still.solve(1e-3).offset) == 2


def test_pruned_equals_refitted_and_lists_its_new_biases(concat_model, images):
    units = (0, 3, 5)
    module, report = refitted(concat_model, "stem.0", units, images)
    recipe = Recipe(compensation="lsq_window")
    plan = Plan(
        concat_model.digest, recipe, Edits(concat_model.digest),
        (Removal("stem.0", units, (Reason("by_hand"),) * 3),),
    )  # fmt: skip
    small, repair = prune_with_report(
        concat_model, plan, calibration=images, plain=True, reestimate_norms=False
    )
    pixels = small.normalize(torch.from_numpy(images.pixels[:9].copy()))
    with torch.no_grad():
        assert torch.allclose(small.module(pixels), module(pixels), atol=1e-4)
    assert repair.notes == ()
    assert small.added_biases == repair.added_biases == report.added_biases
    assert repair.layers == report.layers
    assert prune(concat_model, plan, calibration=images).added_biases == report.added_biases


def test_the_refits_come_closer_than_the_mean_alone(plain_model, images):
    model = plain_model
    errors = []
    for kind in ("none", "bias", "lsq_channel", "lsq_window"):
        removal = Removal("conv1", UNITS, (Reason("by_hand"),) * 4)
        plan = Plan(model.digest, Recipe(compensation=kind), Edits(model.digest), (removal,))
        small, _ = prune_with_report(
            model, plan, calibration=images, plain=True, reestimate_norms=False
        )
        pixels = model.normalize(torch.from_numpy(images.pixels.copy()))
        with torch.no_grad():
            errors.append(float((small.module(pixels) - model.module(pixels)).square().mean()))
    assert errors[3] < errors[2] / 3 < errors[0] / 3
