"""Channels that are followed through views, norms, buffers and uneven layers are cut exactly."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.network import Cause, Network
from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.similarity import layer_matrix
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo.architectures import build


class Step(nn.Module):
    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    def forward(self, maps: Tensor) -> Tensor:
        return self.act(maps)


class Scaled(nn.Module):
    """Scale and shift of each channel, as parameters and buffers of any shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(channels, 1, 1) + 0.5)
        self.register_buffer("shift", torch.rand(channels))
        self.register_buffer("std", torch.rand(1, channels, 1, 1) + 0.5)

    def forward(self, maps: Tensor) -> Tensor:
        return (maps + self.shift.view(1, -1, 1, 1)) * self.scale / self.std


class Ghost(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Conv2d(24, 16, 1)
        self.cheap = nn.Conv2d(16, 16, 3, 1, 1, groups=16)
        self.short = nn.Conv2d(24, 32, 1)

    def forward(self, maps: Tensor) -> Tensor:
        primary = self.p(maps)
        return F.relu(torch.cat([primary, self.cheap(primary)], 1) + self.short(maps))


class C2f(nn.Module):
    """Split, convolve the last part, join, as in YOLOv8."""

    def __init__(self, split) -> None:
        super().__init__()
        self.split, self.m = split, nn.Conv2d(12, 12, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        parts = list(self.split(maps))
        parts.append(parts[-1] + self.m(parts[-1]))
        return torch.cat(parts, 1)


def net(step: nn.Module, outs: int = 24) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1), step, nn.ReLU(), nn.Conv2d(outs, 20, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, 5),
    ).eval()  # fmt: skip


def shuffled(maps: Tensor) -> Tensor:
    count, channels, height, width = maps.shape
    return maps.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(maps.shape)


def to_depth(maps: Tensor) -> Tensor:
    count, channels, height, width = maps.shape
    parts = maps.view(count, channels, height // 2, 2, width // 2, 2)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(count, -1, height // 2, width // 2)


FOLLOWED = {  # what lies between the first two convolutions, channels behind it, units of the first
    "frozen norm": (FrozenBatchNorm2d(24), 24, 24),
    "own parameters and buffers": (Scaled(24), 24, 24),
    "group norm": (nn.GroupNorm(6, 24), 24, 6),
    "group norm of one channel each": (nn.GroupNorm(24, 24), 24, 24),
    "group norm without parameters": (nn.GroupNorm(6, 24, affine=False), 24, 6),
    "instance norm": (nn.InstanceNorm2d(24, affine=True), 24, 24),
    "instance norm without parameters": (nn.InstanceNorm2d(24), 24, 24),
    "instance norm with statistics": (
        nn.InstanceNorm2d(24, affine=True, track_running_stats=True), 24, 24,
    ),
    "depthwise of two filters": (nn.Conv2d(24, 48, 3, padding=1, groups=24), 48, 24),
    "ghost": (Ghost(), 32, 24),
    "chunk": (C2f(lambda maps: maps.chunk(2, 1)), 36, 12),
    "split": (C2f(lambda maps: maps.split(maps.shape[1] // 2, 1)), 36, 12),
    "slices": (
        C2f(lambda maps: (maps[:, : maps.shape[1] // 2], maps[:, maps.shape[1] // 2 :])), 36, 12,
    ),
    "channel shuffle": (Step(shuffled), 24, 12),
    "channel shuffle of torch": (nn.ChannelShuffle(3), 24, 8),
    "flip": (Step(lambda maps: maps.flip(1)), 24, 24),
    "glu": (nn.GLU(1), 12, 12),
    "gate of the other half": (
        Step(lambda maps: torch.mul(*maps.chunk(2, 1))), 12, 12,
    ),
    "pixel shuffle": (nn.PixelShuffle(2), 6, 6),
    "pixel unshuffle": (nn.PixelUnshuffle(2), 96, 24),
    "space to depth": (Step(to_depth), 96, 24),
    "repeated": (Step(lambda maps: maps.repeat(1, 2, 1, 1)), 48, 24),
    "channels last": (
        nn.Sequential(Step(lambda maps: maps.permute(0, 2, 3, 1)), nn.Linear(24, 24),
                      Step(lambda maps: maps.permute(0, 3, 1, 2))), 24, 24,
    ),
    "padded maps": (Step(lambda maps: F.pad(maps, (1, 2, 0, 1))), 24, 24),
    "prelu": (nn.PReLU(24), 24, 24),
    "mean of the image": (
        Step(lambda maps: torch.cat([maps, maps.mean((2, 3), keepdim=True).expand_as(maps)], 1)),
        48, 24,
    ),
}  # fmt: skip


def reading(module: nn.Module, shape=(3, 8, 8)) -> tuple[Model, Network]:
    model = Model(module, name="net", input_shape=shape)
    return model, read_network(model)


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_plan_is_exact_and_costs_what_it_says(name):
    """prune compares with the silenced network, and read_network with torch's count of costs."""
    step, outs, units = FOLLOWED[name]
    model, network = reading(net(step, outs))
    assert not any(group.protected for group in network.groups)
    first = network.group("0")
    assert first.size == units
    assert layer_matrix(network, first, "0").shape == (units, 24 // units * 27)
    plan = make_plan_for(Problem(network, Request(replace(uniform_l1(0.4), coupled="shared"))))
    assert plan.removed("0")
    small = prune(model, plan, network=network)
    again = read_network(small)
    assert cost(again).macs == cost(network, plan).macs < 0.75 * cost(network).macs
    assert [group.size for group in again.groups] == [
        group.size - len(plan.removed(group.name)) for group in network.groups
    ]
    assert small.module(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    arrays = {key: value.numpy() for key, value in model.module.state_dict().items()}
    assert network_from_json(network_to_json(network), arrays).groups == network.groups


def test_a_unit_is_several_filters_of_the_wider_layer():
    network = reading(net(Ghost(), 32))[1]
    group = network.group("1.p")
    assert (group.layers, group.followers, group.size) == (("1.p", "1.short"), ("1.cheap",), 16)
    assert group.cause == Cause("residual_add")
    assert group.filters_by_unit("1.p").tolist() == [[unit] for unit in range(16)]
    assert group.filters_by_unit("1.short").tolist() == [[unit, unit + 16] for unit in range(16)]
    norms = reading(net(nn.GroupNorm(6, 24)))[1].group("0")
    assert norms.filters_by_unit("0")[1].tolist() == [4, 5, 6, 7]


class Crnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 20, 3, padding=1), nn.Conv2d(20, 20, 3, padding=1)
        self.c, self.lstm = nn.Conv2d(20, 12, 3, padding=1), nn.LSTM(12, 8, batch_first=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.c(F.relu(self.b(F.relu(self.a(images))))))
        return self.fc(self.lstm(maps.mean(2).permute(0, 2, 1))[0])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 20, 3, padding=1), nn.Conv2d(20, 20, 3, padding=1)
        self.c = nn.Conv2d(20, 16, 4, 4)
        self.attention, self.fc = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.c(F.relu(self.b(F.relu(self.a(images))))).flatten(2).transpose(1, 2)
        return self.fc((tokens + self.attention(tokens, tokens, tokens)[0]).mean(1))


class SelfAttention(nn.Module):
    """Attention of its own between maps, as in SAGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 20, 3, padding=1), nn.Conv2d(20, 20, 3, padding=1)
        self.q, self.k, self.v = (nn.Conv2d(20, n, 1) for n in (8, 8, 20))
        self.d, self.fc = nn.Conv2d(20, 20, 3), nn.Linear(20, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.b(F.relu(self.a(images)))
        q, k, v = (part(maps).flatten(2) for part in (self.q, self.k, self.v))
        weights = torch.bmm(q.transpose(1, 2), k).softmax(-1)
        maps = maps + torch.bmm(v, weights.transpose(1, 2)).view(maps.shape)
        return self.fc(F.relu(self.d(maps)).mean((2, 3)))


@pytest.mark.parametrize(
    ("module", "free", "touched", "cause"),
    [
        (Crnn(), ["a", "b"], "c", Cause("coupled_module", operation="LSTM", place="lstm")),
        (
            Attention(), ["a", "b"], "c",
            Cause("coupled_module", operation="MultiheadAttention", place="attention"),
        ),
        (SelfAttention(), ["a", "d"], "v", Cause("rearranged", operation="matmul")),
        (
            net(C2f(lambda maps: maps.split(12, 1)), 36), ["3"], "0",
            Cause("rearranged", operation="split", place="1"),
        ),
        (
            net(C2f(lambda maps: maps.split((4, 8, 12), 1)), 36), ["3"], "0",
            Cause("rearranged", operation="split", place="1"),
        ),
    ],
)  # fmt: skip
def test_an_obstacle_leaves_whole_only_what_touches_it(module, free, touched, cause):
    network = reading(module.eval())[1]
    assert [group.name for group in network.free] == free
    assert network.group_of(touched).cause == cause


def test_reading_is_linear_in_the_width():
    class Eca(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 32, 3), nn.Conv2d(32, width, 1)
            self.mix = nn.Conv1d(1, 1, 3, padding=1, bias=False)
            self.c, self.fc = nn.Conv2d(width, 32, 1), nn.Linear(32, 5)

        def forward(self, images: Tensor) -> Tensor:
            maps = F.relu(self.b(F.relu(self.a(images))))
            rows = self.mix(maps.mean((2, 3)).view(maps.shape[0], 1, -1))
            maps = maps * torch.sigmoid(rows).view(maps.shape[0], -1, 1, 1)
            return self.fc(F.relu(self.c(maps)).mean((2, 3)))

    start = time.perf_counter()
    network = reading(Eca(2048).eval())[1]
    assert time.perf_counter() - start < 10  # 0.2 s on the machine at hand; it was over 200
    assert [group.name for group in network.free] == ["a", "c"]
    assert network.group("b").cause == Cause("rearranged", operation="conv1d", place="mix")


def test_shuffles_that_tie_all_channels_leave_the_convolutions_between_them_free():
    model = Model(build("torchvision:shufflenet_v2_x0_5", {}), name="s", input_shape=(3, 64, 64))
    network = read_network(model)
    whole = {group.name: group.cause for group in network.groups if group.protected}
    assert set(whole.values()) == {Cause("rearranged", operation="view", place="stage3.0")}
    plan = make_plan_for(Problem(network, Request(replace(uniform_l1(0.3), coupled="shared"))))
    small = prune(model, plan, network=network)
    assert cost(read_network(small)).macs == cost(network, plan).macs


def test_what_a_hook_looks_at_on_its_own_is_no_obstacle():
    module = net(nn.ReLU())

    def look(layer, _, maps) -> None:
        getattr(layer, "weight", maps)[0].sum()
        maps.mean(1)

    for layer in module.modules():
        layer.register_forward_hook(look)
    assert len(reading(module)[1].free) == 2
