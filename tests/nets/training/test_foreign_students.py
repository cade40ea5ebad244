"""Students and measurements of networks that are frozen in part, of another precision, or give no
logits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import DataError, ModelError, RunError
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.evaluation.measure import (
    count_macs,
    count_peak_activations,
    measure_accuracy,
    measure_latency,
)
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.distill import Training

QUICK = Distillation(epochs=1, train_images=64, test_images=32, learning_rate=0.05)


class Net(nn.Module):
    def __init__(self, kind: str = "") -> None:
        super().__init__()
        self.kind, self.norm = kind, nn.BatchNorm2d(20)
        self.a, self.b = nn.Conv2d(1, 20, 3, padding=1), nn.Conv2d(20, 18, 3, padding=1)
        self.out = nn.Conv2d(18, 10, 1)

    def forward(self, x):
        maps = self.out(F.relu(self.b(F.relu(self.norm(self.a(x))))))
        logits = maps.mean((2, 3))
        gives = {
            "maps": maps, "dict": {"logits": logits}, "classes": logits.argmax(1),
            "tuple": (logits, maps),
            "training": (logits, logits) if self.training else logits,
        }  # fmt: skip
        return gives.get(self.kind, logits)


def model(kind: str = "") -> Model:
    return Model(Net(kind), name="net", input_shape=(1, 8, 8))


def training(student: Model, teacher: Model | None = None, settings=QUICK) -> Training:
    return Training(
        student,
        teacher=teacher,
        train=load_data("digits", "train"),
        test=load_data("digits", "test"),
        settings=settings,
    )


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_frozen_layers_stay_as_they_are_through_pruning_and_training(ema):
    whole = model()
    for layer in (whole.module.a, whole.module.norm):
        layer.requires_grad_(False)
    network, recipe = read_network(whole), uniform_l1(0.3)
    small = prune(whole, make_plan(network, analyze(network, recipe), recipe))
    before = {name: value.clone() for name, value in small.module.state_dict().items()}
    trained = training(small, whole, replace(QUICK, ema=ema))
    trained.epoch()
    module = trained.model().module
    learns = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    assert {name for name, learn in learns.items() if not learn} == {
        "a.weight", "a.bias", "norm.weight", "norm.bias",
    }  # fmt: skip
    for name, value in module.state_dict().items():
        is_frozen = name.startswith(("a.", "norm."))
        assert torch.equal(value, before[name]) == is_frozen, name


def test_a_network_that_is_frozen_as_a_whole_is_not_trained():
    student = model()
    student.module.requires_grad_(False)
    with pytest.raises(RunError, match="Every parameter of 'net' is frozen"):
        training(student)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("maps", r"gives \[N, 10, 8, 8\]"),
        ("dict", r"gives a dict of 'logits' \(\[N, 10\]\)"),
        ("classes", r"gives \[N\] of int64"),
        ("tuple", r"gives a tuple of \[N, 10\], \[N, 10, 8, 8\]"),
    ],
)
def test_outputs_that_are_no_logits_are_named(kind, what):
    digits = load_data("digits", "test").first(8)
    with pytest.raises(ModelError, match=what):
        measure_accuracy(model(kind), digits)
    with pytest.raises(ModelError, match=what):
        training(model(kind))
    with pytest.raises(ModelError, match=what):
        training(model(), model(kind))


def test_outputs_that_are_no_logits_in_training_alone_are_named_before_the_first_step():
    assert measure_accuracy(model("training"), load_data("digits", "test").first(8)).images == 8
    with pytest.raises(ModelError, match=r"a tuple of \[N, 10\], \[N, 10\] in training"):
        training(model("training"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_another_precision_is_measured_and_trained_and_kept(dtype):
    student = Model(Net().to(dtype), name="net", input_shape=(1, 8, 8))
    assert measure_accuracy(student, load_data("digits", "test").first(8)).images == 8
    assert measure_latency(student, repeats=2).batch == 1
    assert count_macs(student) == count_macs(model())
    assert count_peak_activations(student) == count_peak_activations(model())
    trained = training(student, student)
    trained.epoch()
    assert {p.dtype for p in trained.model().module.parameters()} == {dtype}


def test_what_a_network_raises_while_it_is_measured_is_told():
    flat = nn.Sequential(nn.Conv2d(1, 20, 3), nn.Flatten(0), nn.Linear(720, 10))
    alone = Model(flat, name="alone", input_shape=(1, 8, 8))
    with pytest.raises(ModelError, match="'alone' does not run on a batch of 2: mat1 and mat2"):
        measure_latency(alone, batch=2)
    with pytest.raises(ModelError, match="does not run on these images: mat1 and mat2"):
        measure_accuracy(alone, load_data("digits", "test").first(8))
    with pytest.raises(DataError, match="at least 1 image"):
        measure_latency(model(), batch=0)
