import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import (
    count_macs,
    count_params,
    count_peak_activations,
    count_right,
    measure_accuracy,
    measure_latency,
)
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.samples import sample_names, sample_network
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network


class Brightest(nn.Module):
    """Names the brightest of three channels: right by construction."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.drop = nn.Dropout(0.9)
        self.conv.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images):
        return self.drop(self.conv(images)).mean((2, 3))


def brightest():
    return Model(Brightest().eval(), name="brightest", input_shape=(3, 2, 2), classes=3)


def colors(labels, *, wrong=0):
    pixels = np.zeros((len(labels), 3, 2, 2), np.uint8)
    pixels[np.arange(len(labels)), np.array(labels, int)] = 200
    told = np.array(labels, int)
    told[:wrong] = (told[:wrong] + 1) % 3
    return Images("colors", "test", pixels, told)


def test_right_answers_are_counted_over_all_batches():
    labels = [0, 1, 2] * 200  # more than one batch
    assert count_right(brightest(), colors(labels)) == 600
    assert count_right(brightest(), colors(labels, wrong=7)) == 593


def test_accuracy_comes_with_its_interval_and_what_it_was_measured_on():
    measured = measure_accuracy(brightest(), colors([0, 1, 2] * 10, wrong=3))
    assert measured.accuracy == 0.9
    assert measured.interval == wilson(27, 30)
    assert (measured.images, measured.data) == (30, "colors, test")
    assert measured.latency_ms is None


def test_a_network_in_training_is_measured_in_evaluation_and_stays_in_training():
    model = brightest()
    model.module.train()
    assert count_right(model, colors([0, 1, 2] * 20)) == 60
    assert model.module.training
    assert model.module.drop.training


def test_no_images_give_no_accuracy_but_no_error():
    measured = measure_accuracy(brightest(), colors([]))
    assert (measured.accuracy, measured.interval, measured.images) == (0, (0, 1), 0)


def test_images_that_do_not_fit_give_one_sentence():
    small = Images("x", "test", np.zeros((1, 1, 2, 2), np.uint8), np.zeros(1, int))
    with pytest.raises(DataError, match=r"takes images of \(3, 2, 2\)"):
        count_right(brightest(), small)
    other = Images("x", "test", np.zeros((1, 3, 2, 2), np.uint8), np.array([5]))
    with pytest.raises(DataError, match=r"has the class 5.*only 3 classes"):
        count_right(brightest(), other)


def test_latency_is_a_median_between_its_quartiles():
    measured = measure_latency(brightest(), batch=2, repeats=7)
    low, high = measured.latency_iqr_ms
    assert 0 < low <= measured.latency_ms <= high
    assert (measured.batch, measured.repeats) == (2, 7)
    assert measured.threads == torch.get_num_threads()
    assert measure_latency(brightest(), repeats=1).repeats == 2


def conv_macs(module, image):
    """Counted by hooks, straight from the definition (docs/method.md)."""
    total = 0

    def count(part, _, output):
        nonlocal total
        if isinstance(part, nn.Conv2d):
            per_value = part.weight[0].numel()
        else:
            per_value = part.in_features
        total += output.numel() * per_value

    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(count)
    with torch.inference_mode():
        module(image)
    return total


def test_macs_equal_a_count_by_hooks(tiny_model):
    counted = count_macs(tiny_model)
    assert counted == conv_macs(tiny_model.module, torch.zeros(1, *tiny_model.input_shape))


def test_counting_leaves_the_weights_where_they_are(plain_model):
    count_macs(plain_model)
    assert not next(plain_model.module.parameters()).is_meta


def test_params_are_the_learned_values_alone():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    model = Model(module, name="two", input_shape=(3, 8, 8))
    assert count_params(model) == (3 * 9 * 4 + 4) + (4 + 4)


def test_peak_activations_of_two_layers_are_those_by_hand():
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, stride=2))
    model = Model(module, name="two", input_shape=(3, 9, 9))
    assert count_peak_activations(model) == 4 * (3 * 81 + 4 * 81)
    assert not next(model.module.parameters()).is_meta


def test_the_planned_peak_is_that_of_the_pruned_network(tiny_model):
    network = read_network(tiny_model)
    assert count_peak_activations(tiny_model) == cost(network).peak_activation_bytes
    for target in (0.2, 0.5):
        plan = make_plan_for(
            Problem(network, Request(Recipe(target_reduction=target, coupled="shared")))
        )
        small = prune(tiny_model, plan)
        assert count_peak_activations(small) == cost(network, plan).peak_activation_bytes


@pytest.mark.parametrize("name", sample_names())
def test_the_planned_peak_of_every_sample_is_that_of_its_pruned_network(name):
    model, network = load_model(name), sample_network(name)
    plan = make_plan_for(Problem(network, Request(Recipe())))
    small = prune(model, plan)
    assert count_peak_activations(small) == cost(network, plan).peak_activation_bytes
