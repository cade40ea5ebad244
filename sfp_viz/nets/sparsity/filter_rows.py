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
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, module_or_parameter

_SMALLEST_SHARE, _LARGEST_SHARE = 0.25, 4.0


@dataclass(frozen=True)
class RowSlice:
    """Where the rows of a group lie in one parameter.

    Attributes:
        name: The parameter's name.
        axis: Its axis along which the rows lie.
        channels: Their places along the axis.
        units: The unit of the group at each of these places.
        whole: Whether the places are the whole axis in its order.
    """

    name: str
    axis: int
    channels: Tensor
    units: Tensor
    whole: bool

    def along(self, tensor: Tensor, values: Tensor, rest: float) -> Tensor:
        """Values of units laid along the axis of a tensor.

        Args:
            tensor: The parameter, or one of its shape.
            values: One value for each unit [units].
            rest: The value at places that belong to no unit.

        Returns:
            A tensor of the type of ``tensor`` that broadcasts to it.
        """
        line = torch.full(
            (tensor.shape[self.axis],), rest, dtype=values.dtype, device=tensor.device
        )
        line[self.channels] = values[self.units]
        shape = [1] * tensor.ndim
        shape[self.axis] = -1
        return line.view(shape).to(tensor.dtype)


@dataclass(frozen=True)
class Rows:
    """The rows of one group.

    Attributes:
        group: The group's name.
        size: Its number of units.
        values: How many values one row has, on average.
        slices: Where the rows lie.
    """

    group: str
    size: int
    values: float
    slices: tuple[RowSlice, ...]

    def norms(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Euclidean norm of each row, float64 [units]; ``tensors`` by parameter name."""
        device = tensors[self.slices[0].name].device
        total = torch.zeros(self.size, dtype=torch.float64, device=device)
        for s in self.slices:
            tensor = tensors[s.name].detach()
            other_axes = [d for d in range(tensor.ndim) if d != s.axis]
            squares = tensor.square().sum(other_axes) if other_axes else tensor.square()
            squares = squares if s.whole else squares[s.channels]
            total.index_add_(0, s.units, squares.double())
        return total.sqrt()

    def scale(self, tensors: Mapping[str, Tensor], factors: Tensor) -> None:
        """Multiply each row by its factor, in place.

        Args:
            tensors: The parameters, or tensors of their shapes, by name.
            factors: One factor for each row [units].
        """
        with torch.no_grad():
            for s in self.slices:
                tensor = tensors[s.name]
                tensor.mul_(s.along(tensor, factors, 1.0))


def rows_of(
    module: nn.Module, groups: Sequence[ChannelGroup], names: Sequence[str]
) -> tuple[Rows, ...]:
    """The rows of some groups of a network.

    Args:
        module: The network.
        groups: All its groups.
        names: The groups whose rows are asked for.

    Raises:
        PlanError: A group has no values of its own.
    """
    owned = {id(parameter): name for name, parameter in module.named_parameters()}
    by_name = {group.name: group for group in groups}
    return tuple(_rows(module, by_name[name], owned) for name in names)


def row_weights(module: nn.Module, rows: Sequence[Rows]) -> dict[str, nn.Parameter]:
    """The parameters in which some rows lie, by name.

    Args:
        module: The network.
        rows: The rows.
    """
    parameters = dict(module.named_parameters())
    return {s.name: parameters[s.name] for r in rows for s in r.slices}


def _rows(module: nn.Module, group: ChannelGroup, owned: Mapping[int, str]) -> Rows:
    slices: dict[tuple[str, int], RowSlice] = {}
    values = 0
    for span in group.slices:
        if span.side == "in":
            continue
        for parameter, axis in _writers(module_or_parameter(module, span.name), span.axis):
            name = owned[id(parameter)]
            if (name, axis) in slices:  # one parameter under two names: a row holds it once
                continue
            channels = torch.from_numpy(span.channels.copy()).to(parameter.device)
            units = torch.from_numpy(span.units.copy()).to(parameter.device)
            whole = len(channels) == parameter.shape[axis] and bool(
                (channels == torch.arange(len(channels), device=channels.device)).all()
            )
            slices[name, axis] = RowSlice(name, axis, channels, units, whole)
            values += len(channels) * (parameter.numel() // parameter.shape[axis])
    if not slices:
        raise PlanError(
            f"The group '{group.name}' has no weights of its own, so it cannot be made sparse. "
            "Protect it."
        )
    return Rows(group.name, group.size, values / group.size, tuple(slices.values()))


def _writers(writer: Any, axis: int) -> list[tuple[nn.Parameter, int]]:
    """The parameters of a layer that write its output channels, each with its axis: those that
    silence() sets to 0."""
    if isinstance(writer, nn.Parameter):
        return [(writer, axis)]
    if isinstance(writer, nn.PReLU):
        return []
    weight, bias = (getattr(writer, key, None) for key in ("weight", "bias"))
    side = 1 if getattr(writer, "transposed", False) else 0
    pairs = [(weight, side), (bias, 0)]
    return [(p, at) for p, at in pairs if isinstance(p, nn.Parameter)]


def mac_shares(network: Network, names: Sequence[str]) -> dict[str, float]:
    """MACs that one unit of each group costs, over their mean over the groups; 0.25 to 4.

    Args:
        network: The network.
        names: The groups.
    """
    count = objective_of(network, "macs")
    whole = count(count.sizes)
    saved = {}
    for name in names:
        sizes = count.sizes.copy()
        sizes[count.names.index(name)] -= 1
        saved[name] = whole - count(sizes)
    mean = sum(saved.values()) / max(1, len(saved)) or 1.0
    return {n: min(_LARGEST_SHARE, max(_SMALLEST_SHARE, x / mean)) for n, x in saved.items()}
