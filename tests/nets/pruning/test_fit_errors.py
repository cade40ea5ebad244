"""Refitted layers are measured on images of the fit and on others, and stay the same to the bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.prune_report import LayerFit, PruneReport
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.fit_errors import ErrorProbe
from sfp_viz.nets.pruning.layer_fits import Reader
from sfp_viz.nets.pruning.prune import prune_with_report
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.read_network import channel_groups

UNITS = (0, 3, 5, 8)


def images(count: int, seed: int, split: str = "train") -> Images:
    """Each image has a strength of its own, so that filters tell about each other."""
    draw = np.random.default_rng(seed)
    bright = draw.uniform(0.2, 1, (count, 3, 1, 1))
    pixels = (bright * draw.integers(0, 256, (count, 3, 8, 8))).astype(np.uint8)
    return Images("noise", split, pixels, np.zeros(count, np.int64))


def plan_of(model: Model, kind: str = "lsq_window", group: str = "", units=UNITS) -> Plan:
    name = group or next(one.name for one in channel_groups(model) if not one.problem)
    removal = Removal(name, units, (Reason("by_hand"),) * len(units))
    return Plan(model.digest, Recipe(compensation=kind), Edits(model.digest), (removal,))


def repaired(model: Model, plan: Plan, seen: Images, unseen: Images | None) -> PruneReport:
    return prune_with_report(
        model, plan, calibration=seen, held_out=unseen, plain=True, reestimate_norms=False
    )[1]


@pytest.mark.parametrize("kind", ["lsq_window", "lsq_channel"])
def test_images_held_out_change_no_bit_of_the_network(tiny_model, kind):
    plan, train, test = plan_of(tiny_model, kind), images(300, 0), images(60, 1, "test")
    small, repair = prune_with_report(tiny_model, plan, calibration=train, held_out=test)
    same, without = prune_with_report(tiny_model, plan, calibration=train)
    assert small.digest == same.digest
    assert [layer.name for layer in repair.layers] == [layer.name for layer in without.layers]
    assert all(layer.seen and layer.unseen for layer in repair.layers)
    assert not any(layer.seen or layer.unseen for layer in without.layers)


def test_the_error_before_the_fit_is_that_of_the_plain_definition(plain_model):
    """conv2 is the first reader of conv1, and no norm stands before it: so by hand."""
    test = images(60, 1, "test")
    repair = repaired(plain_model, plan_of(plain_model, group="conv1"), images(300, 0), test)
    layer = repair.layers[0]
    assert (layer.name, layer.unseen.images, layer.seen.images) == ("conv2", 60, 128)
    net = copy.deepcopy(plain_model.module)
    with torch.no_grad():
        maps = net.conv1(
            plain_model.normalize(torch.from_numpy(as_trained(plain_model, test).pixels.copy()))
        ).relu()
        whole = net.conv2(maps).double()
        maps[:, list(UNITS)] = 0
        cut = net.conv2(maps).double()
    spread = (whole - whole.mean((0, 2, 3), keepdim=True)).square().sum()
    assert layer.unseen.before == pytest.approx(
        float((cut - whole).square().sum() / spread), rel=1e-4
    )


@pytest.mark.parametrize("kind", ["lsq_window", "lsq_channel"])
def test_the_error_after_the_fit_is_that_of_the_network_handed_out(plain_model, kind):
    test, plan = images(60, 1, "test"), plan_of(plain_model, kind, "conv1")
    small, repair = prune_with_report(
        plain_model,
        plan,
        calibration=images(300, 0),
        held_out=test,
        plain=True,
        reestimate_norms=False,
    )
    with torch.no_grad():
        pixels = plain_model.normalize(
            torch.from_numpy(as_trained(plain_model, test).pixels.copy())
        )
        whole, cut = (
            net.conv2(net.conv1(pixels).relu()).double()
            for net in (plain_model.module, small.module)
        )
    spread = (whole - whole.mean((0, 2, 3), keepdim=True)).square().sum()
    now = repair.layers[0].unseen.after
    assert now == pytest.approx(float((cut - whole).square().sum() / spread), rel=1e-3)
    assert now < 0.6 * repair.layers[0].unseen.before


def test_a_fit_on_too_few_images_is_seen_on_the_images_it_has_not_seen(plain_model):
    plan, test = plan_of(plain_model, group="conv1"), images(128, 9, "test")
    few, many = (repaired(plain_model, plan, images(n, 0), test).layers[0] for n in (60, 2000))
    assert few.seen.after < 0.7 * few.unseen.after
    assert many.seen.after > 0.9 * many.unseen.after
    assert many.unseen.after < few.unseen.after


def test_a_constant_that_the_norm_behind_takes_over_is_no_error(residual_model):
    """The layer behind reads a map whose mean the cut takes away: no bias, so the norm has it."""
    plan = plan_of(residual_model, group="inner.0")
    repair = repaired(residual_model, plan, images(600, 0), images(100, 1, "test"))
    for layer in repair.layers:
        assert layer.seen.after < layer.seen.before


def test_outputs_that_are_cut_themselves_do_not_count(plain_model):
    whole, module = plain_model.module, copy.deepcopy(plain_model.module)
    with torch.no_grad():
        module.conv2.weight[[1, 4]] = 0
        module.conv2.bias[[1, 4]] = 0
    batch = plain_model.normalize(torch.from_numpy(images(20, 0).pixels.copy()))
    reader = Reader("conv2", module.conv2, whole.conv2, np.array([0]), 1, 1, form="window")
    fit = LayerFit("conv2", "window", 1)
    for gone, wrong in ({"conv2": np.array([1, 4])}, False), ({}, True):
        probe = ErrorProbe(module, whole, batch, batch, gone)
        found = probe.after(reader, fit, probe.before(reader), None)
        assert (found.seen.before > 0.01, found.unseen.after > 0.01) == (wrong, wrong)


@pytest.mark.parametrize("kind", ["none", "bias", "merge", "scale"])
def test_what_is_no_fit_has_no_errors_of_fits(plain_model, kind):
    plan = plan_of(plain_model, kind, "conv1")
    assert repaired(plain_model, plan, images(300, 0), images(60, 1)).layers == ()


def test_images_held_out_that_do_not_fit_are_refused_by_name(plain_model):
    wrong = Images("small", "test", np.zeros((9, 1, 8, 8), np.uint8), np.zeros(9, np.int64))
    with pytest.raises(DataError, match="small"):
        repaired(plain_model, plan_of(plain_model, group="conv1"), images(300, 0), wrong)


def test_each_refit_is_told_before_it_starts(plain_model):
    lines: list[str] = []
    plan = plan_of(plain_model, group="conv1")
    prune_with_report(plain_model, plan, calibration=images(300, 0), progress=lines.append)
    assert "Refitting 'conv2', 1 of 1" in lines
    assert lines.index("Refitting 'conv2', 1 of 1") < lines.index(
        "Re-estimating BatchNorm statistics"
    )
