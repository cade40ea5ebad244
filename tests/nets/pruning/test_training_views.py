"""Calibration images are augmented as the network's own statistics suggest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.augmentation import augment
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune, prune_with_report
from sfp_viz.nets.pruning.training_views import as_trained


@pytest.fixture(scope="module")
def images() -> Images:
    """Bright left halves, so that shifting and mirroring are seen in the statistics."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 128, (400, 3, 8, 8), dtype=np.uint8)
    pixels[..., :4] += 120
    return Images("halves", "train", pixels, np.zeros(400, np.int64))


def viewed(images: Images, kind: str, epoch: int) -> Images:
    """As training would show them: other draws than those of the calibration."""
    pixels = torch.from_numpy(images.pixels.copy())
    everything = np.arange(len(images))
    seen = augment(pixels, everything, kind=kind, seed=7, epoch=epoch, count=len(images))
    return replace(images, pixels=seen.numpy())


@pytest.mark.parametrize("kind", ["none", "shift", "crop_flip"])
def test_the_augmentation_is_told_from_the_statistics(residual_model, images, kind):
    model = reestimate(residual_model, viewed(images, kind, 3))
    seen = as_trained(model, images)
    everything = np.arange(len(images))
    pixels = torch.from_numpy(images.pixels.copy())
    wanted = augment(pixels, everything, kind=kind, seed=0, epoch=0, count=len(images))
    assert np.array_equal(seen.pixels, wanted.numpy())
    assert np.array_equal(seen.labels, images.labels)
    assert np.array_equal(seen.pixels, as_trained(model, images).pixels)


def test_a_few_images_are_spread_over_all_of_them(residual_model, images):
    model = reestimate(residual_model, images)
    some = as_trained(model, images, 5)
    assert np.array_equal(some.pixels, images.pixels[[0, 100, 200, 299, 399]])


def test_networks_without_statistics_and_images_that_do_not_fit_come_back_plain(images):
    bare = Model(nn.Conv2d(3, 4, 3).eval(), name="bare", input_shape=(3, 8, 8))
    assert as_trained(bare, images) is images
    batchwise = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    model = Model(batchwise.eval(), name="batchwise", input_shape=(3, 8, 8))
    assert as_trained(model, images) is images
    wide = Model(nn.Conv2d(3, 4, 3).eval(), name="wide", input_shape=(3, 9, 8))
    assert as_trained(wide, images) is images


def test_pruning_sees_images_as_in_training_unless_plain(residual_model, images):
    model = reestimate(residual_model, viewed(images, "crop_flip", 1))
    removal = Removal("inner.0", (0, 4), (Reason("by_hand"),) * 2)
    recipe = Recipe(compensation="lsq_window")
    plan = Plan(model.digest, recipe, Edits(model.digest), (removal,))
    seen = as_trained(model, images)
    assert not np.array_equal(seen.pixels, images.pixels)

    def by_hand(calibration):
        return reestimate(
            prune_with_report(
                model, plan, calibration=calibration, plain=True, reestimate_norms=False
            )[0],
            calibration,
        )

    plain = prune(model, plan, calibration=images, plain=True)
    assert plain.digest == by_hand(images).digest
    assert prune(model, plan, calibration=images).digest == by_hand(seen).digest != plain.digest
