"""Accuracy is measured after each stage, and the last stage is what pruning hands out."""

import numpy as np
import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.evaluation.prune_stages import NAMES, stages
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune, prune_with_report
from sfp_viz.nets.pruning.training_views import as_trained


def images(split: str, seed: int) -> Images:
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)
    return Images("noise", split, pixels, draw.integers(0, 5, 300))


@pytest.mark.parametrize("kind", ["none", "bias", "lsq_window"])
def test_every_stage_is_measured_and_the_last_is_the_pruned_network(depthwise_model, kind):
    model, train, test = depthwise_model, images("train", 0), images("test", 1)
    removal = Removal("point.0", (0, 3, 5), (Reason("by_hand"),) * 3)
    plan = Plan(model.digest, Recipe(compensation=kind), Edits(model.digest), (removal,))
    found = list(stages(model, plan, train, test))
    seen = as_trained(model, train)
    names = [name for name in NAMES if kind != "none" or name != "compensated"]
    assert [stage.name for stage in found] == names
    assert [stage.right for stage in found] == [count_right(s.model, test) for s in found]
    assert found[0].model is model
    assert found[1].model.digest == prune_with_report(model, plan)[0].digest
    assert found[-1].model.digest == prune(model, plan, calibration=train).digest
    assert found[-1].model.digest == reestimate(found[-2].model, seen).digest
    measured = found[-1].measured()
    assert (measured.accuracy, measured.images) == (found[-1].right / 300, 300)
    assert measured.data == "noise, test"
    notes = [note for stage in found for note in stage.notes]
    assert len(notes) == (kind == "lsq_window")  # the grouped reader


def test_a_network_without_batch_norm_has_no_stage_that_estimates_it_again():
    model = load_model("lenet5_digits")
    removal = Removal("conv2", (0, 3), (Reason("by_hand"),) * 2)
    plan = Plan(model.digest, Recipe(), Edits(model.digest), (removal,))
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
    digits = Images("noise", "test", pixels, draw.integers(0, 10, 60))
    assert [stage.name for stage in stages(model, plan, digits, digits)] == ["unpruned", "cut"]
