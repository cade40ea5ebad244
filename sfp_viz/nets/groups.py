"""Which channels must go together, and how they are cut. The only file that knows torch-pruning.

Torch-Pruning (Fang et al. 2023) traces the network and tells, for every filter, which slices of
which parameters belong to it. We keep that as plain tables, and cut by them all at once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from sfp_viz.errors import SfpError
from sfp_viz.nets.channels import (
    OUTPUTS,
    PADDED,
    REARRANGED,
    SINGLE,
    ChannelGroup,
    Reach,
    channels_of,
    part_of,
    shorten,
    without_overlaps,
)
from sfp_viz.nets.execution import Execution, blank, layers_of

_ATTENTION = ("Bmm", "ScaledDotProduct", "MultiheadAttention")


class TraceError(SfpError):
    """The network cannot be traced; the text says why. It can still be looked at."""


def trace(
    module: nn.Module, input_shape: tuple[int, int, int], execution: Execution
) -> tuple[ChannelGroup, ...]:
    """The channel groups of ``module``, in order of execution; TraceError when untraceable."""
    import torch_pruning as tp

    dry = blank(module)
    names = {part: name for name, part in dry.named_modules()}
    image = torch.zeros(1, *input_shape, device="meta")
    roots = layers_of(module, execution)
    found: list[ChannelGroup] = []
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            # It warns of shapes it gives up on; the zeroed-channel check finds what follows.
            warnings.filterwarnings("ignore", "Maximum recursive depth", UserWarning)
            graph = tp.DependencyGraph().build_dependency(dry, [image], verbose=False)
        _settle(graph)
        seen = _Trace(graph, names, roots, execution)
        known: set[str] = set()
        for root in roots:
            if root not in known and dry.get_submodule(root) in graph.module2node:
                found.append(_group(seen, root))
                known |= {root, *found[-1].layers, *found[-1].followers}
    except TraceError as problem:
        raise TraceError(f"its channels cannot be followed ({problem})") from problem
    except Exception as problem:  # the tracer meets foreign code and may raise anything
        raise TraceError(
            f"its channels cannot be followed ({type(problem).__name__}: {problem})"
        ) from problem
    return tuple(without_overlaps(found))


def cut(
    module: nn.Module, groups: Sequence[ChannelGroup], removed: Mapping[str, Sequence[int]]
) -> None:
    """Cut units out of ``module``, in place: pass a copy. ``removed`` maps group names to units."""
    from torch_pruning.ops import module2type
    from torch_pruning.pruner.function import PrunerBox

    gone: dict[tuple[str, str, int], set[int]] = {}
    for reach, channels in channels_of(groups, removed):
        gone.setdefault((reach.name, reach.side, reach.axis), set()).update(channels.tolist())
    for (name, side, axis), channels in gone.items():
        part = part_of(module, name)
        if isinstance(part, nn.Parameter):
            shorten(module, name, axis, channels)
            continue
        learns = {key: p.requires_grad for key, p in part.named_parameters(recurse=False)}
        pruner: Any = PrunerBox[module2type(part)]
        act = pruner.prune_in_channels if side == "in" else pruner.prune_out_channels
        with torch.no_grad():
            act(part, sorted(channels))
        for key, parameter in part.named_parameters(recurse=False):
            parameter.requires_grad_(learns[key])


@dataclass(frozen=True)
class _Trace:
    """Torch-Pruning's graph of a dry copy, with the names of its modules."""

    graph: Any
    names: Mapping[nn.Module, str]
    roots: tuple[str, ...]
    execution: Execution

    def part(self, name: str) -> nn.Module:
        return self.graph.model.get_submodule(name)

    def node(self, name: str) -> Any:
        return self.graph.module2node[self.part(name)]


class _Settled(dict):
    """Nodes by module. The tracer walks ``items`` before each group, to follow cuts made since
    the last; none are made here, and in deep concatenations that walk would take minutes."""

    def items(self) -> Any:
        return ()


def _settle(graph: Any) -> None:
    """Prepare a finished graph for many questions; TraceError for what would never be answered."""
    nodes = list(graph.module2node.values())
    if any(mark in _operation(node) for node in nodes for mark in _ATTENTION):
        raise TraceError("its attention layers mix channels in matrix products")
    graph.module2node = _Settled(graph.module2node)


def _group(seen: _Trace, root: str) -> ChannelGroup:
    """The channels that go with the filters of the layer ``root``."""
    graph, part = seen.graph, seen.part(root)
    width = graph.get_out_channels(part)
    act = graph.get_pruner_of_module(part).prune_out_channels
    items = list(graph.get_pruning_group(part, act, list(range(width))))
    repeats = math.lcm(1, *(_blocks(item.dep.target.module) for item in items))
    size = max(1, width // repeats)
    reaches = tuple(_reach(seen, item, size) for item in items if _holds_values(item))
    writers = [r.name for r in reaches if r.name in seen.roots and r.side != "in"]
    followers = [name for name in writers if _follows(seen, name, writers)]
    if len(followers) == len(writers):
        followers.remove(root)
    problems = [_obstacle(seen, item) for item in items]
    problems += [_irregular(seen, reach, size) for reach in reaches]
    problems += [SINGLE if width % repeats or size < 2 else ""]
    problem = next(filter(None, problems), "")
    operations = frozenset(_operation(item.dep.target) for item in items)
    order = seen.roots.index
    layers = sorted(set(writers) - set(followers), key=order)
    return ChannelGroup(
        layers[0],
        size,
        repeats,
        tuple(layers),
        tuple(sorted(set(followers), key=order)),
        reaches,
        operations,
        PADDED if problem == REARRANGED and "ConstantPadNdBackward0" in operations else problem,
    )


def _holds_values(item: Any) -> bool:
    part = item.dep.target.module
    if isinstance(part, nn.Parameter):
        return True
    if isinstance(part, nn.PReLU):
        return part.num_parameters > 1
    return bool(part._parameters or getattr(part, "running_mean", None) is not None)


def _reach(seen: _Trace, item: Any, size: int) -> Reach:
    node, act = item.dep.target, item.dep.handler
    writes = seen.graph.is_out_channel_pruning_fn(act)
    reads = seen.graph.is_in_channel_pruning_fn(act)
    side = "both" if writes and reads else "out" if writes else "in"
    is_bare = isinstance(node.module, nn.Parameter)
    name = seen.graph._param_to_name[node.module] if is_bare else seen.names[node.module]
    channels = np.asarray(item.idxs, dtype=np.int64)
    units = np.asarray(item.root_idxs, dtype=np.int64) % size
    return Reach(name, side, channels, units, node.pruning_dim if is_bare else 0)


def _blocks(part: Any) -> int:
    """conv_groups of a convolution that mixes channels inside each; 1 for all else."""
    if not isinstance(part, nn.modules.conv._ConvNd) or _is_depthwise(part):
        return 1
    return part.groups


def _is_depthwise(part: Any) -> bool:
    whole = getattr(part, "groups", 1)
    return whole > 1 and whole == part.out_channels == part.in_channels


def _follows(seen: _Trace, name: str, writers: Sequence[str]) -> bool:
    """Whether a layer only passes on or scales the channels of others: depthwise, or a gate."""
    if _is_depthwise(seen.part(name)):
        return True
    node = seen.node(name)
    for _ in range(4):  # convolution, perhaps a norm, sigmoid, product
        if len(node.outputs) != 1:
            break
        before, node = node, node.outputs[0]
        if "Mul" in _operation(node):
            return "sigmoid" in _operation(before).lower()
    calls = seen.execution.calls
    pixels = {n: max(math.prod(outs[2:]) for _, outs in calls[n]) for n in writers}
    return pixels[name] == 1 < max(pixels.values())


def _operation(node: Any) -> str:
    return str(getattr(node.module, "_grad_fn", type(node.module).__name__))


def _obstacle(seen: _Trace, item: Any) -> str:
    """Why channels that meet this operation cannot be cut; '' when they can."""
    node = item.dep.target
    part = node.module
    kind = type(part).__name__
    is_end = not node.outputs and seen.graph.is_out_channel_pruning_fn(item.dep.handler)
    if kind == "_OutputOp" or is_end:
        return OUTPUTS
    if isinstance(part, nn.LayerNorm | nn.GroupNorm):
        return (
            f"{kind} '{seen.names[part]}' normalizes its channels together, so cutting one "
            "would change all the others."
        )
    if isinstance(part, nn.MultiheadAttention | nn.LSTM | nn.Embedding):
        return f"It is tied to {kind} '{seen.names[part]}', which is not cut here."
    return ""


def _irregular(seen: _Trace, reach: Reach, size: int) -> str:
    """Why the channels of one module do not line up with the units; '' when they do."""
    counts = np.bincount(reach.units, minlength=size)
    if len(set(counts.tolist())) != 1:
        return REARRANGED
    if reach.name not in seen.roots:
        return ""
    part: Any = seen.part(reach.name)
    look = seen.graph.get_in_channels if reach.side == "in" else seen.graph.get_out_channels
    units = np.full(look(part), -1)
    if reach.channels.max() >= len(units):
        return REARRANGED
    units[reach.channels] = reach.units
    if reach.side != "in":
        return "" if np.array_equal(units, np.arange(len(units)) % size) else REARRANGED
    if (blocks := _blocks(part)) > 1:
        table = units.reshape(blocks, -1)
        return "" if (table == table[0]).all() else REARRANGED
    return ""
