"""Rows: all values that write one unit of a group, taken as one vector for penalties.

A row holds the unit's filter in every layer of the group, its biases, and the scale and shift of
the norms behind (docs/method.md: with the filter alone BatchNorm would undo a penalty).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.network import Network
from sfp_viz.errors import PlanError
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, part_of

_LEAST_SHARE, _MOST_SHARE = 0.25, 4.0


@dataclass(frozen=True)
class Part:
    """Where a group's rows lie in one parameter: ``channels`` along ``axis``, and their units."""

    name: str
    axis: int
    channels: Tensor
    units: Tensor
    whole: bool

    def along(self, tensor: Tensor, values: Tensor, rest: float) -> Tensor:
        """``values`` [units] laid along the axis of ``tensor``, ``rest`` where no unit is."""
        line = torch.full(
            (tensor.shape[self.axis],), rest, dtype=values.dtype, device=tensor.device
        )
        line[self.channels] = values[self.units]
        shape = [1] * tensor.ndim
        shape[self.axis] = -1
        return line.view(shape).to(tensor.dtype)


@dataclass(frozen=True)
class Rows:
    """The rows of one group. ``values``: how many values one row has, on average."""

    group: str
    size: int
    values: float
    parts: tuple[Part, ...]

    def norms(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Euclidean norm of each row, float64 [units]."""
        first = tensors[self.parts[0].name]
        total = torch.zeros(self.size, dtype=torch.float64, device=first.device)
        for part in self.parts:
            tensor = tensors[part.name].detach()
            rest = [d for d in range(tensor.ndim) if d != part.axis]
            squares = tensor.square().sum(rest) if rest else tensor.square()
            squares = squares if part.whole else squares[part.channels]
            total.index_add_(0, part.units, squares.double())
        return total.sqrt()

    def scale(self, tensors: Mapping[str, Tensor], factors: Tensor) -> None:
        """Multiply each row by its factor [units], in place."""
        with torch.no_grad():
            for part in self.parts:
                tensor = tensors[part.name]
                tensor.mul_(part.along(tensor, factors, 1.0))


def rows_of(
    module: nn.Module, groups: Sequence[ChannelGroup], names: Sequence[str]
) -> tuple[Rows, ...]:
    """The rows of the groups called ``names``, as views into the parameters of ``module``."""
    owned = {id(parameter): name for name, parameter in module.named_parameters()}
    by_name = {group.name: group for group in groups}
    return tuple(_rows(module, by_name[name], owned) for name in names)


def _rows(module: nn.Module, group: ChannelGroup, owned: Mapping[int, str]) -> Rows:
    parts: dict[tuple[str, int], Part] = {}
    values = 0
    for reach in group.reaches:
        if reach.side == "in":
            continue
        found: Any = part_of(module, reach.name)
        for parameter, axis in _writers(found, reach.axis):
            name = owned[id(parameter)]
            if (name, axis) in parts:  # one parameter under two names: a row holds it once
                continue
            channels = torch.from_numpy(reach.channels.copy()).to(parameter.device)
            units = torch.from_numpy(reach.units.copy()).to(parameter.device)
            whole = len(channels) == parameter.shape[axis] and bool(
                (channels == torch.arange(len(channels), device=channels.device)).all()
            )
            parts[name, axis] = Part(name, axis, channels, units, whole)
            values += len(channels) * (parameter.numel() // parameter.shape[axis])
    if not parts:
        raise PlanError(f"'{group.name}' has no values of its own that could be made sparse.")
    return Rows(group.name, group.size, values / group.size, tuple(parts.values()))


def _writers(part: Any, axis: int) -> list[tuple[nn.Parameter, int]]:
    """What silence() sets to 0: parameters that write the channels of ``part``, with the axis."""
    if isinstance(part, nn.Parameter):
        return [(part, axis)]
    if isinstance(part, nn.PReLU):
        return []
    weight, bias = (getattr(part, key, None) for key in ("weight", "bias"))
    side = 1 if getattr(part, "transposed", False) else 0
    pairs = [(weight, side), (bias, 0)]
    return [(p, at) for p, at in pairs if isinstance(p, nn.Parameter)]


def shares_of(network: Network, names: Sequence[str]) -> dict[str, float]:
    """MACs that go with one unit of each group, over their mean over ``names``; 0.25 to 4."""
    count = objective_of(network, "macs")
    whole = count(count.sizes)
    saved = {}
    for name in names:
        less = count.sizes.copy()
        less[count.names.index(name)] -= 1
        saved[name] = whole - count(less)
    mean = sum(saved.values()) / max(1, len(saved)) or 1.0
    return {name: min(_MOST_SHARE, max(_LEAST_SHARE, x / mean)) for name, x in saved.items()}
