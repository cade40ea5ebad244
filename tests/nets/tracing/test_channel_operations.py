"""What cannot be followed is refused with the operation and its place; what can be is not."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfp_viz.core.network import Cause
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.channel_operations import OperationRecorder
from sfp_viz.nets.tracing.read_network import read_network


class Step(nn.Module):
    """One function of maps, as a module with a name of its own."""

    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    def forward(self, maps):
        return self.act(maps)


def reading(act, outs: int = 20, between: nn.Module | None = None):
    """20 filters -> ``act`` at 'step' -> a module -> linear layer."""
    parts = {"stem": nn.Conv2d(3, 20, 3, padding=1), "step": Step(act)}
    if between is not None:
        parts["next"] = between
    parts |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(outs, 5)}
    net = nn.Sequential()
    for name, part in parts.items():
        net.add_module(name, part)
    return read_network(Model(net.eval(), name="net", input_shape=(3, 8, 8)))


def back_to_front(maps):
    one, other = maps.chunk(2, 1)
    return torch.cat([other, one], 1)


def shuffled(maps):
    count, channels, height, width = maps.shape
    return maps.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(maps.shape)


MOVES = {
    "slicing": (lambda maps: maps[:, 4:16], 12),
    "chunk": (back_to_front, 20),
    "view": (shuffled, 20),
    "roll": (lambda maps: torch.roll(maps, 3, 1), 20),
    "mean": (lambda maps: maps * maps.mean(1, keepdim=True), 20),
    "glu": (lambda maps: F.glu(maps, 1), 10),
    "pixel_shuffle": (lambda maps: F.pixel_shuffle(maps, 2), 5),
    "local_response_norm": (lambda maps: F.local_response_norm(maps, 3), 20),
    "add": (lambda maps: maps + torch.ones(1, 20, 1, 1, device=maps.device), 20),
    "padding": (lambda maps: maps + F.pad(maps[:, 2:-2], (0, 0, 0, 0, 2, 2)), 20),
}


@pytest.mark.parametrize("operation", MOVES)
def test_an_operation_that_moves_or_mixes_channels_is_named_with_its_place(operation):
    group = reading(*MOVES[operation]).group("stem")
    assert group.protected
    first = {"slicing": "slice", "padding": "slice"}.get(operation, operation)  # it comes first
    assert group.cause == Cause("rearranged", operation=first, place="step")


def test_operations_inside_a_channel_are_not_named_and_its_filters_can_go():
    def inside(maps):
        turned = torch.roll(torch.flip(maps, [2]), 1, 3).softmax(-1)
        return F.avg_pool2d(turned * maps.mean((2, 3), keepdim=True), 2)

    assert not reading(inside).group("stem").protected
    step = Step(inside)
    with OperationRecorder(step) as recorder:
        step(torch.zeros(1, 4, 8, 8, requires_grad=True))
    assert not recorder.operations


def test_layers_that_share_their_weight_stay_whole_and_name_each_other():
    net = nn.Sequential(*(nn.Conv2d(n, 20, 3, padding=1) for n in (3, 20, 20)))
    net[2].weight = net[1].weight
    net.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 5)])
    network = read_network(Model(net.eval(), name="net", input_shape=(3, 8, 8)))
    assert not network.free
    assert network.group("1").cause == Cause("shared_parameters", place="1")


def test_more_filters_than_channels_of_a_depthwise_layer_are_refused_in_words():
    depth = nn.Conv2d(20, 40, 3, padding=1, groups=20)
    network = reading(torch.relu, 40, depth)
    cause = Cause("conv_groups", place="next", channels=20, conv_groups=20)
    assert network.group("stem").cause == cause
    assert network.group("next").size == 2  # one offset in each of the 20


def test_conv_groups_of_a_transposed_convolution_are_refused_by_name():
    network = reading(torch.relu, 16, nn.ConvTranspose2d(20, 16, 2, stride=2, groups=2))
    cause = Cause("transposed_conv_groups", place="next", conv_groups=2)
    assert all(group.cause == cause for group in network.groups)
