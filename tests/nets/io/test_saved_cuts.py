"""Networks cut by the real surgery, once and twice, come back from their files unchanged."""

import numpy as np
import pytest
import torch

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_macs
from sfp_viz.nets.io.model_file import load_saved, save_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo.build import build
from tests.tiny import randomize

NETWORKS = [
    ("lenet5", {}, (1, 8, 8)),
    ("cifar_resnet", {"blocks": 1}, (3, 32, 32)),
    ("cifar_resnet", {"blocks": 1, "shortcut": "pad"}, (3, 32, 32)),
    ("slim_vgg11", {}, (1, 28, 28)),
    ("torchvision:mobilenet_v2", {"width_mult": 0.25, "num_classes": 5}, (3, 32, 32)),
]
LARGE = [
    ("torchvision:resnet18", {}, (3, 64, 64)),
    ("torchvision:efficientnet_b0", {}, (3, 64, 64)),
    ("torchvision:densenet121", {}, (3, 64, 64)),
    ("torchvision:regnet_y_400mf", {}, (3, 64, 64)),
    ("torchvision:convnext_tiny", {}, (3, 64, 64)),
    ("torchvision:googlenet", {}, (3, 64, 64)),
]


def third_cut(model, *, recipe=None, calibration=None):
    """A third of every free group goes, drawn by a fixed seed."""
    draw, removals = np.random.default_rng(0), []
    network = read_network(model)
    for group in network.free:
        gone = sorted(int(u) for u in draw.permutation(group.size)[: max(1, group.size // 3)])
        if len(gone) < group.size:
            removals.append(Removal(group.name, tuple(gone), (Reason("by_hand"),) * len(gone)))
    plan = Plan(model.digest, recipe or Recipe(), Edits(model.digest), tuple(removals))
    return prune(model, plan, network=network, calibration=calibration)


def whole(architecture, arguments, shape):
    module = randomize(build(architecture, arguments))
    return Model(
        module, name="net", input_shape=shape, architecture=architecture, arguments=arguments
    )


def check_comes_back(model, path):
    save_model(model, path)
    again = load_saved(path)
    images = torch.randn(2, *model.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(again.module(images), model.module.eval()(images))
    assert count_macs(again) == count_macs(model)
    assert (again.digest, again.plans) == (model.digest, model.plans)


@pytest.mark.parametrize(("architecture", "arguments", "shape"), NETWORKS)
def test_a_network_pruned_once_and_twice_comes_back(tmp_path, architecture, arguments, shape):
    model = whole(architecture, arguments, shape)
    once = third_cut(model)
    check_comes_back(once, tmp_path / "once.safetensors")
    twice = third_cut(load_saved(tmp_path / "once.safetensors"))
    check_comes_back(twice, tmp_path / "twice.safetensors")
    assert len(twice.plans) == 2
    assert twice.base_digest == model.digest
    assert count_macs(twice) < count_macs(once) < count_macs(model)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "arguments", "shape"), LARGE)
def test_a_large_network_pruned_once_comes_back(tmp_path, architecture, arguments, shape):
    check_comes_back(third_cut(whole(architecture, arguments, shape)), tmp_path / "a.safetensors")


def test_biases_that_compensation_added_come_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    images = Images("noise", "train", pixels, np.zeros(8, np.int64))
    model = whole("cifar_resnet", {"blocks": 1}, (3, 32, 32))
    recipe = Recipe(compensation="bias")
    once = third_cut(model, recipe=recipe, calibration=images)
    check_comes_back(once, tmp_path / "once.safetensors")
    twice = third_cut(once, recipe=recipe, calibration=images)
    check_comes_back(twice, tmp_path / "twice.safetensors")
