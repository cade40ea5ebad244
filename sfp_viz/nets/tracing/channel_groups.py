"""Groups of channels as plain tables: where they lie in a module, and how to silence them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sfp_viz.core.network import Cause
from sfp_viz.nets.tracing.factored_linear import FactoredLinear

_DIVISORS = ("var", "std")  # buffers that are divided by, so they are never set to 0


@dataclass(frozen=True)
class ChannelSlice:
    """The channels of a group in one module (or bare parameter or buffer) called ``name``.

    ``side``: 'out' they are written, 'in' read, 'both' passed through (norms, depthwise).
    ``channels`` are positions along that side, ``units`` the unit of the group each belongs to.
    ``axis`` is the dimension of a bare parameter.
    """

    name: str
    side: str
    channels: np.ndarray
    units: np.ndarray
    axis: int = 0


@dataclass(frozen=True)
class ChannelGroup:
    """Layers cut together, as traced. ``problem`` is why it cannot be cut; None when it can.

    ``size``, ``repeats``, ``layers`` and ``followers`` are those of core.network.FilterGroup.
    ``operations`` are torch's names of what happens to the channels on their way; ``moved_by``
    is the first that moves or mixes them, with its place; None when none is known.
    """

    name: str
    size: int
    repeats: int
    layers: tuple[str, ...]
    followers: tuple[str, ...]
    slices: tuple[ChannelSlice, ...]
    operations: frozenset[str]
    problem: Cause | None = None
    moved_by: Cause | None = None


def rearranged(moved_by: Cause | None, met_at: str = "") -> Cause:
    """Why channels that do not line up with filters cannot be cut.

    Args:
        moved_by: The operation that moves or mixes them, where it is known.
        met_at: Otherwise the module that meets them out of line.
    """
    return moved_by or Cause("misaligned", place=met_at)


def silence(
    module: nn.Module,
    groups: Sequence[ChannelGroup],
    removed: Mapping[str, Sequence[int]],
    *,
    readers: bool = False,
) -> None:
    """Set every parameter that writes the removed channels to 0, in place: pass a copy.

    Args:
        module: The network.
        groups: Its channel groups.
        removed: Units to remove, by group name.
        readers: Set the weights that read them to 0 as well: behind a sigmoid, or with noise, a
            channel that nothing writes is not 0.
    """
    for span, channels in removed_slices(groups, removed):
        layer = module_or_parameter(module, span.name)
        if span.side == "in":
            if readers:
                _ignore_inputs(layer, channels)
            continue
        if isinstance(layer, torch.Tensor):
            if not any(mark in span.name for mark in _DIVISORS):
                _zero(layer, span.axis, channels)
            continue
        if getattr(layer, "weight", None) is not None and not isinstance(layer, nn.PReLU):
            _zero(layer.weight, 1 if getattr(layer, "transposed", False) else 0, channels)
        elif getattr(layer, "running_mean", None) is not None:  # a norm without gamma
            _zero(layer.running_mean, 0, channels)
        if getattr(layer, "bias", None) is not None:
            _zero(layer.bias, 0, channels)


def _ignore_inputs(layer: Any, channels: np.ndarray) -> None:
    """Set the weights of a layer that read its input ``channels`` to 0, in place."""
    weight = getattr(layer, "weight", None)
    if not isinstance(layer, nn.modules.conv._ConvNd | nn.Linear) or weight is None:
        return
    if getattr(layer, "transposed", False):
        _zero(weight, 0, channels)
        return
    if isinstance(layer, FactoredLinear):
        _zero(layer.inputs, 1, channels)
        return
    blocks = getattr(layer, "groups", 1)
    each = weight.shape[1]
    with torch.no_grad():
        table = weight.unflatten(0, (blocks, -1))  # [conv_groups, outputs, inputs of each, ...]
        table[channels // each, :, channels % each] = 0


def remove_entries(module: nn.Module, name: str, axis: int, channels: Collection[int]) -> None:
    """Take entries of a bare parameter or buffer away, in place.

    Args:
        module: The network.
        name: Its path.
        axis: Its axis along which the entries lie.
        channels: The entries to take away.
    """
    path, _, last = name.rpartition(".")
    old = module_or_parameter(module, name)
    keep = [place for place in range(old.shape[axis]) if place not in channels]
    short = old.detach().index_select(axis, torch.tensor(keep, device=old.device))
    is_parameter = isinstance(old, nn.Parameter)
    value = nn.Parameter(short, old.requires_grad) if is_parameter else short
    setattr(module.get_submodule(path), last, value)


def _zero(tensor: Any, axis: int, channels: np.ndarray) -> None:
    with torch.no_grad():
        tensor.index_fill_(axis, torch.from_numpy(channels).to(tensor.device), 0)


def removed_slices(
    groups: Sequence[ChannelGroup], removed: Mapping[str, Sequence[int]]
) -> Iterator[tuple[ChannelSlice, np.ndarray]]:
    """Every place that removed units span, with the channels that they have there.

    Args:
        groups: The channel groups of a network.
        removed: Units to remove, by group name.

    Yields:
        The place, and the removed channels there, int64, sorted.
    """
    for group in groups:
        units = removed.get(group.name, ())
        for span in group.slices if len(units) else ():
            yield (
                span,
                np.unique(span.channels[np.isin(span.units, np.asarray(units))]),
            )


def module_or_parameter(module: nn.Module, name: str) -> Any:
    """The module or bare parameter at a dotted path.

    Args:
        module: The network.
        name: The path.

    Raises:
        AttributeError: There is nothing at that path.
    """
    path, _, last = name.rpartition(".")
    return getattr(module.get_submodule(path), last)


def without_overlaps(groups: Sequence[ChannelGroup]) -> Iterator[ChannelGroup]:
    """The groups; those that claim the same channel of a module are marked as not to be cut."""
    owner: dict[tuple[str, str, int], str] = {}
    mixed: dict[str, str] = {}
    for group in groups:
        for span in group.slices:
            side = "out" if span.side == "both" else span.side
            for channel in span.channels.tolist():
                claimant = owner.setdefault((span.name, side, channel), group.name)
                if claimant != group.name:
                    mixed = {claimant: span.name, group.name: span.name, **mixed}
    for group in groups:
        met_at = mixed.get(group.name, "")
        problem = group.problem or (rearranged(group.moved_by, met_at) if met_at else None)
        yield replace(group, problem=problem)
