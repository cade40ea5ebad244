"""What cannot be followed is refused with the operation and its place. Channels that can be
followed through a move are cut (test_followed_channels.py)."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfp_viz.core.network import Cause
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.propagation import follow
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


def beside(rows):
    """A window over the channels, as in ECA."""
    return F.conv1d(rows, torch.ones(1, 1, 3, device=rows.device), padding=1)


MOVES = {
    "slicing": (lambda maps: maps[:, 4:16], 12),
    "roll": (lambda maps: torch.roll(maps, 3, 1), 20),
    "mean": (lambda maps: maps * maps.mean(1, keepdim=True), 20),
    "softmax": (lambda maps: maps.softmax(1), 20),
    "index_select": (lambda maps: maps.index_select(1, torch.arange(20).to(maps.device)), 20),
    "conv1d": (lambda maps: maps * beside(maps.mean((2, 3))[:, None])[:, 0, :, None, None], 20),
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
    step = nn.Sequential(nn.Conv2d(3, 4, 1), Step(inside))
    assert not follow(step, torch.zeros(1, 3, 8, 8)).operations


def test_layers_that_share_their_weight_stay_whole_and_name_each_other():
    net = nn.Sequential(*(nn.Conv2d(n, 20, 3, padding=1) for n in (3, 20, 20)))
    net[2].weight = net[1].weight
    net.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 5)])
    network = read_network(Model(net.eval(), name="net", input_shape=(3, 8, 8)))
    assert not network.free
    assert network.group_of("1").cause == Cause("shared_parameters", place="1")
    assert network.group_of("1") == network.group_of("2")


def test_channels_of_which_every_conv_group_has_one_are_refused_in_words():
    paired = nn.Conv2d(20, 20, 3, padding=1, groups=10)
    between = nn.Sequential(paired, nn.GroupNorm(2, 20), nn.Conv2d(20, 20, 1, groups=4))
    network = reading(torch.relu, 20, between)
    cause = network.group("next.0").cause
    assert (cause.kind, cause.channels, cause.conv_groups) == ("conv_groups", 20, 10)


def test_conv_groups_of_a_transposed_convolution_are_refused_by_name():
    network = reading(torch.relu, 16, nn.ConvTranspose2d(20, 16, 2, stride=2, groups=2))
    cause = Cause("transposed_conv_groups", place="next", conv_groups=2)
    assert all(group.cause == cause for group in network.groups)
