"""Each option of a refit changes what it names, and the defaults change nothing."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.cut_context import cut_context
from sfp_viz.nets.pruning.least_squares import FitOptions, refit
from sfp_viz.nets.pruning.prune import prune, prune_with_report
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.channel_groups import silence

UNITS = (0, 3, 5, 8)


@pytest.fixture(scope="module")
def images() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (600, 3, 8, 8), dtype=np.uint8)
    return Images("noise", "train", pixels, np.zeros(600, np.int64))


def plan_of(model: Model, group: str) -> Plan:
    removal = Removal(group, UNITS, ("by hand",) * len(UNITS))
    recipe = Recipe(compensation="lsq_window")
    return Plan(model.digest, recipe, Edits(model.digest), (removal,))


def fit_of(model: Model, group: str, images: Images, options: FitOptions):
    cut = cut_context(model, {group: UNITS})
    return cut.module, refit(cut, images, options=options).layers


def outputs_of(module, name: str, model: Model, images: Images) -> torch.Tensor:
    outputs = []
    handle = module.get_submodule(name).register_forward_hook(
        lambda layer, args, output: outputs.append(output.double())
    )
    with torch.no_grad():
        module(model.normalize(torch.from_numpy(images.pixels.copy())))
    handle.remove()
    return outputs[0]


def test_the_defaults_are_what_is_done_without_options(residual_model, images):
    plan = plan_of(residual_model, "inner.0")
    plain = prune(residual_model, plan, calibration=images)
    assert prune(residual_model, plan, calibration=images, options=FitOptions()).digest == (
        plain.digest
    )


@pytest.mark.parametrize(
    "options",
    [
        FitOptions(ridge=0.1),
        FitOptions(batches=1),
        FitOptions(follow_streams=False),
        FitOptions(batch_statistics=False),
        FitOptions(rescale_norms=False),
        FitOptions(max_unknowns=1),
        FitOptions(max_rows=1000),
    ],
)
def test_every_option_reaches_the_network_that_prune_makes(residual_model, images, options):
    plan = plan_of(residual_model, "inner.0")
    plain = prune(residual_model, plan, calibration=images)
    assert prune(residual_model, plan, calibration=images, options=options).digest != plain.digest


def test_batches_bound_the_images_of_the_fit(plain_model, images):
    rows = [
        fit_of(plain_model, "conv1", images, FitOptions(batches=count))[1][0].rows
        for count in (1, 3, 8)
    ]
    assert rows == [128 * 16, 3 * 128 * 16, 4 * 128 * 16]


def test_windows_with_too_many_unknowns_are_fitted_by_channel(plain_model, images):
    forms = [
        fit_of(plain_model, "conv1", images, FitOptions(max_unknowns=most))[1][0].form
        for most in (4608, 20)
    ]
    assert forms == ["window", "channel"]


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_norms_use_the_statistics_of_the_batch_or_their_own(concat_model, images, batch_statistics):
    batch = images.first(128)  # a single batch, whose statistics are easily taken by hand
    options = FitOptions(batch_statistics=batch_statistics)
    fit = fit_of(concat_model, "stem.0", batch, options)[1][0]
    cut = copy.deepcopy(concat_model.module).eval()
    context = cut_context(concat_model, {"stem.0": UNITS})
    silence(cut, context.groups, context.removed)
    for module in cut.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train(batch_statistics)
    whole = outputs_of(concat_model.module, fit.name, concat_model, batch)
    gap = whole - outputs_of(cut, fit.name, concat_model, batch)
    assert fit.before == pytest.approx(float(gap.square().sum()), rel=1e-4)


def test_a_norm_keeps_its_scale_unless_it_is_rescaled(residual_model, images):
    model = reestimate(residual_model, images)
    own = model.module.outer[1].weight
    for rescale in (True, False):
        module, layers = fit_of(model, "inner.0", images, FitOptions(rescale_norms=rescale))
        assert [layer.name for layer in layers] == ["outer.0"]
        assert torch.equal(module.outer[1].weight, own) == (not rescale)


def test_norms_are_left_as_they_are_without_reestimation(residual_model, images):
    plan = plan_of(residual_model, "inner.0")
    views = as_trained(residual_model, images)
    fitted, _ = prune_with_report(
        residual_model, plan, calibration=views, plain=True, reestimate_norms=False
    )
    alone = prune(residual_model, plan, calibration=images, reestimate_norms=False)
    assert alone.digest == fitted.digest
    assert prune(residual_model, plan, calibration=images).digest == (
        reestimate(fitted, views).digest
    )
