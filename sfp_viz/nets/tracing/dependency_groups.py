"""Which channels must go together, and how they are cut. The only file that knows torch-pruning.

``propagation.follow`` says which ids of parameters and buffers depend on each other; here they
become plain tables for each group of layers. Layers of the usual kinds are cut by Torch-Pruning's
functions (Fang et al. 2023), all channels at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from sfp_viz.core.network import Cause
from sfp_viz.errors import SfpError
from sfp_viz.nets.forward import copy_module, first_line, noise
from sfp_viz.nets.tracing.channel_groups import (
    ChannelGroup,
    ChannelSlice,
    module_or_parameter,
    rearranged,
    remove_entries,
    removed_slices,
    without_overlaps,
)
from sfp_viz.nets.tracing.constraints import is_depthwise, shared_parameters, single_unit
from sfp_viz.nets.tracing.execution import Execution, layers_of
from sfp_viz.nets.tracing.factored_linear import FactoredLinear
from sfp_viz.nets.tracing.propagation import NORMS, ChannelFlow, TensorIds, follow

_CUT_BY_TORCH_PRUNING = (
    nn.modules.conv._ConvNd,
    nn.Linear,
    nn.modules.batchnorm._BatchNorm,
    nn.PReLU,
)


class TraceError(SfpError):
    """The network cannot be traced; ``cause`` says why. It can still be explored."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"The network cannot be traced: {cause.label}")
        self.cause = cause


def trace(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    execution: Execution,
    *,
    training: bool = False,
) -> tuple[ChannelGroup, ...]:
    """The channel groups of ``module``, in order of execution.

    Args:
        module: The network; it is not run, only a copy.
        input_shape: Channels, height and width of its images.
        execution: What ran in a forward pass of it.
        training: Trace what it does in training, instead of in evaluation.

    Raises:
        TraceError: The network cannot be traced.
    """
    try:
        copied = copy_module(module, device=execution.device, dtype=torch.float32).train(training)
        flow = follow(copied, noise(input_shape, 2 if training else 1, device=execution.device))
    except Exception as error:  # a foreign forward pass may raise anything
        cause = Cause("untraceable_network", text=f"{type(error).__name__}: {first_line(error)}")
        raise TraceError(cause) from error
    reading = _Reading.of(module, flow, layers_of(module, execution), execution)
    return tuple(without_overlaps([reading.group(roots) for roots in reading.ties()]))


@dataclass(frozen=True)
class _Place:
    """Where ids lie: ``axis`` of the tensor ``key`` of the module ``owner``."""

    name: str
    side: str
    axis: int
    ids: np.ndarray


@dataclass(frozen=True)
class _Reading:
    """What a pass showed of ``module``, by class of ids."""

    module: nn.Module
    flow: ChannelFlow
    roots: tuple[str, ...]
    execution: Execution
    places: tuple[_Place, ...]
    classes: np.ndarray
    shared: Mapping[str, Cause]

    @staticmethod
    def of(
        module: nn.Module, flow: ChannelFlow, roots: tuple[str, ...], execution: Execution
    ) -> _Reading:
        classes = flow.classes()
        places = tuple(place for ids in flow.tensors for place in _places(module, ids))
        return _Reading(module, flow, roots, execution, places, classes, shared_parameters(module))

    def ties(self) -> list[tuple[str, ...]]:
        """The layers that share classes of outputs, in order; depthwise layers do not tie what
        they pass on."""
        outs = {place.name: place for place in self.places if place.side == "out"}
        layers = [name for name in self.roots if name in outs]
        layers += [name for name in outs if name not in layers]  # no layers of the method, but tied
        first: dict[int, str] = {}
        parent = {name: name for name in layers}

        def top(name: str) -> str:
            while parent[name] != name:
                name = parent[name]
            return name

        for name in layers:
            for number in np.unique(self.classes[outs[name].ids]).tolist():
                other = top(first.setdefault(number, name))
                if other != top(name):
                    parent[top(name)] = other
        tied: dict[str, list[str]] = {}
        for name in layers:
            tied.setdefault(top(name), []).append(name)
        order = {name: index for index, name in enumerate(self.roots)}
        groups = [tuple(n for n in names if n in order) for names in tied.values()]
        return sorted((names for names in groups if names), key=lambda names: order[names[0]])

    def group(self, roots: Sequence[str]) -> ChannelGroup:
        """The channels that go with the outputs of the layers ``roots``."""
        outs = [p for p in self.places if p.name in roots and p.side == "out"]
        numbers, first = np.unique(
            np.concatenate([self.classes[place.ids] for place in outs]), return_index=True
        )
        size = len(numbers)
        unit = np.full(self.classes.max(initial=0) + 1, -1)
        unit[numbers[np.argsort(first)]] = np.arange(size)
        slices = [s for place in self.places if (s := self._slice(place, unit)) is not None]
        slices.sort(key=lambda s: s.name != roots[0])
        counts = [np.bincount(s.units, minlength=size) for s in slices]
        uneven = next(
            (s.name for s, c in zip(slices, counts, strict=True) if c.min() != c.max()), None
        )
        repeats = math.gcd(*(int(c[0]) for c in counts)) if uneven is None else 1
        met = [(cause, ids) for cause, ids in self.flow.obstacles if self._meets(ids, unit)]
        moved = min(
            (operation for operation, ids in self.flow.operations if self._meets(ids, unit)),
            key=lambda operation: operation.rank, default=None,
        )  # fmt: skip
        moved_by = moved.cause if moved else None
        names = [s.name for s in slices if s.side != "in" and s.name in self.roots]
        problems: list[Cause | None] = [cause for cause, _ in met]
        problems += [self.shared.get(s.name) for s in slices]
        problems.append(rearranged(moved_by, uneven) if uneven is not None else None)
        problems.append(single_unit(self.module, names, slices, size, moved_by))
        writers = list(dict.fromkeys(names))
        followers = [name for name in writers if self._follows(name, writers)]
        if len(followers) == len(writers):
            followers.remove(roots[0])
        order = self.roots.index
        layers = sorted(set(writers) - set(followers), key=order)
        return ChannelGroup(
            layers[0],
            size,
            repeats,
            tuple(layers),
            tuple(sorted(followers, key=order)),
            tuple(slices),
            frozenset(kind for kind, ids in self.flow.sums if self._meets(ids, unit)),
            next(filter(None, problems), None),
            moved_by,
        )

    def _meets(self, ids: np.ndarray, unit: np.ndarray) -> bool:
        return bool((unit[self.classes[ids]] >= 0).any())

    def _slice(self, place: _Place, unit: np.ndarray) -> ChannelSlice | None:
        units = unit[self.classes[place.ids]]
        channels = np.flatnonzero(units >= 0)
        if not len(channels):
            return None
        return ChannelSlice(place.name, place.side, channels, units[channels], place.axis)

    def _follows(self, name: str, writers: Sequence[str]) -> bool:
        """Whether a layer only passes on or scales the channels of others: depthwise, or a gate."""
        if is_depthwise(self.module.get_submodule(name)) or name in self.flow.gates:
            return True
        calls = self.execution.calls
        pixels = {n: max(math.prod(outs[2:]) for _, outs in calls[n]) for n in writers}
        return pixels[name] == 1 < max(pixels.values())


def _places(module: nn.Module, tensor: TensorIds) -> Iterator[_Place]:
    """The side of a module that a tensor's axis is; the biases of a layer and the further
    parameters of a norm go with the first of them."""
    layer: Any = module.get_submodule(tensor.owner)
    known = tensor.key in ("", "weight", "bias", "running_mean", "running_var")
    if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear) and known:
        if tensor.key == "bias":
            return
        conv_groups = getattr(layer, "groups", 1)
        is_input = tensor.axis != int(getattr(layer, "transposed", False))
        if tensor.key == "weight" and is_input and conv_groups > 1:
            return  # the record of its inputs has all conv_groups; depthwise layers have none
        side = "in" if is_input else "both" if is_depthwise(layer) else "out"
        yield _Place(tensor.owner, side, 0, tensor.ids)
    elif isinstance(layer, (*NORMS, nn.PReLU)) and known:
        if tensor.key == _first_key(layer):
            yield _Place(tensor.owner, "both", 0, tensor.ids)
    else:
        yield _Place(tensor.path, "both", tensor.axis, tensor.ids)


def _first_key(layer: nn.Module) -> str:
    named = itertools.chain(
        layer.named_parameters(recurse=False), layer.named_buffers(recurse=False)
    )
    return next((key for key, tensor in named if tensor.ndim), "")


def cut(
    module: nn.Module, groups: Sequence[ChannelGroup], removed: Mapping[str, Sequence[int]]
) -> None:
    """Cut units out of ``module``, in place: pass a copy.

    Args:
        module: The network.
        groups: Its channel groups.
        removed: Units to cut, by group name.
    """
    from torch_pruning.ops import module2type
    from torch_pruning.pruner.function import PrunerBox

    removed_channels: dict[tuple[str, str, int], set[int]] = {}
    for span, channels in removed_slices(groups, removed):
        key = (span.name, span.side, span.axis)
        removed_channels.setdefault(key, set()).update(channels.tolist())
    for (name, side, axis), channels in removed_channels.items():
        layer = module_or_parameter(module, name)
        if isinstance(layer, torch.Tensor):
            remove_entries(module, name, axis, channels)
            continue
        if isinstance(layer, FactoredLinear) and side == "in":
            remove_entries(layer, "inputs", 1, channels)
            layer.in_features -= len(channels)
            continue
        multiplies = is_depthwise(layer) and layer.in_channels != layer.out_channels
        if multiplies or not isinstance(layer, _CUT_BY_TORCH_PRUNING):
            _cut_passing(layer, channels)
            continue
        learns = {key: p.requires_grad for key, p in layer.named_parameters(recurse=False)}
        pruner: Any = PrunerBox[module2type(layer)]
        prune = pruner.prune_in_channels if side == "in" else pruner.prune_out_channels
        with torch.no_grad():
            prune(layer, sorted(channels))
        for key, parameter in layer.named_parameters(recurse=False):
            parameter.requires_grad_(learns[key])


def _cut_passing(layer: Any, channels: set[int]) -> None:
    """Cut channels out of a norm, or out of a depthwise layer of several filters a channel."""
    for key, tensor in itertools.chain(
        list(layer.named_parameters(recurse=False)), list(layer.named_buffers(recurse=False))
    ):
        if tensor.ndim and key in ("weight", "bias", "running_mean", "running_var"):
            remove_entries(layer, key, 0, channels)
    if isinstance(layer, nn.GroupNorm):
        each = layer.num_channels // layer.num_groups
        layer.num_channels -= len(channels)
        layer.num_groups -= len(channels) // each
    elif isinstance(layer, nn.modules.conv._ConvNd):
        each = layer.out_channels // layer.in_channels
        layer.out_channels -= len(channels)
        layer.in_channels -= len(channels) // each
        layer.groups = layer.in_channels
    else:
        layer.num_features -= len(channels)
