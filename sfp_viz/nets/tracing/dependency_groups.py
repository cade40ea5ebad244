"""Which channels must go together, and how they are cut. The only file that knows torch-pruning.

Torch-Pruning (Fang et al. 2023) traces the network and tells, for every filter, which slices of
which parameters belong to it. We keep that as plain tables, and cut by them all at once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from sfp_viz.core.network import Cause
from sfp_viz.errors import SfpError
from sfp_viz.nets.tracing.channel_groups import (
    ChannelGroup,
    Reach,
    channels_of,
    part_of,
    rearranged,
    shorten,
    without_overlaps,
)
from sfp_viz.nets.tracing.channel_operations import Places
from sfp_viz.nets.tracing.constraints import (
    Trace,
    blocks_of,
    is_depthwise,
    is_irregular,
    moved_by,
    obstacle,
    operation,
    single,
)
from sfp_viz.nets.tracing.execution import Execution, blank, layers_of
from sfp_viz.nets.tracing.propagation import Item, walk

_ATTENTION = ("Bmm", "ScaledDotProduct", "MultiheadAttention")


class TraceError(SfpError):
    """The network cannot be traced; ``cause`` says why. It can still be explored."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"The network cannot be traced: {cause.label}")
        self.cause = cause


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
    places = Places(dry)
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            # It warns of shapes it gives up on; the zeroed-channel check finds what follows.
            warnings.filterwarnings("ignore", "Maximum recursive depth", UserWarning)
            with places:
                graph = tp.DependencyGraph().build_dependency(dry, [image], verbose=False)
        _settle(graph)
        seen = Trace(graph, names, roots, execution, places, _tied(dry))
        known: set[str] = set()
        for root in roots:
            if root not in known and dry.get_submodule(root) in graph.module2node:
                found.append(_group(seen, root))
                known |= {root, *found[-1].layers, *found[-1].followers}
    except Exception as problem:  # the tracer meets foreign code and may raise anything
        move = places.first() or Cause("text", text=f"{type(problem).__name__}: {problem}")
        raise TraceError(replace(move, kind="untraceable_network")) from problem
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


def _tied(module: nn.Module) -> frozenset[int]:
    holders: dict[int, set[int]] = {}
    for part in module.modules():
        for parameter in part.parameters(recurse=False):
            holders.setdefault(id(parameter), set()).add(id(part))
    return frozenset(part for parts in holders.values() if len(parts) > 1 for part in parts)


def _settle(graph: Any) -> None:
    """Complete a traced graph; TraceError for what it cannot tell."""
    nodes = list(graph.module2node.values())
    if any(mark in operation(node) for node in nodes for mark in _ATTENTION):
        raise TraceError(Cause("untraceable_network", operation="attention"))
    for node in nodes:
        if getattr(node.grad_fn, "_saved_dim", 0) == 1 and hasattr(node.module, "concat_sizes"):
            _align(node)


def _align(joined: Any) -> None:
    """Say where the parts of a concatenation lie, which the tracer leaves out when a flattening
    follows, because it takes the flattened width for that of the maps."""
    from torch_pruning.dependency.index_mapping import _ConcatIndexMapping

    sizes = joined.module.concat_sizes
    if joined.module.offsets is not None or not sizes or None in sizes:
        return
    ends = np.cumsum([0, *sizes]).tolist()
    done: set[int] = set()  # a part that is joined twice has two dependencies that are equal
    for part, span in zip(joined.inputs, pairwise(ends), strict=False):
        for source, target, back in ((joined, part, True), (part, joined, False)):
            here = (d for d in source.dependencies if d.target is target and id(d) not in done)
            for dependency in here:
                dependency.index_mapping[1] = _ConcatIndexMapping(list(span), reverse=back)
                done.add(id(dependency))
                break


def _group(seen: Trace, root: str) -> ChannelGroup:
    """The channels that go with the filters of the layer ``root``."""
    graph, part = seen.graph, seen.part(root)
    width = graph.get_out_channels(part)
    act = graph.get_pruner_of_module(part).prune_out_channels
    limit = 1 + max(max(p.shape, default=1) for p in graph.model.parameters())  # one shows excess
    items = walk(seen.node(root), act, width, limit)
    repeats = math.lcm(1, *(blocks_of(item.target.module) for item in items))
    size = max(1, width // repeats)
    reaches = tuple(_reach(seen, item, size) for item in items if _holds_values(item))
    writers = [r.name for r in reaches if r.name in seen.roots and r.side != "in"]
    followers = [name for name in writers if _follows(seen, name, writers)]
    if len(followers) == len(writers):
        followers.remove(root)
    moved = moved_by(seen, items)
    problems = [obstacle(seen, item) for item in items]
    irregular = next((r.name for r in reaches if is_irregular(seen, r, size)), "")
    problems += [rearranged(moved, irregular) if irregular else None]
    problems += [single(items, width) if width % repeats or size < 2 else None]
    order = seen.roots.index
    layers = sorted(set(writers) - set(followers), key=order)
    return ChannelGroup(
        layers[0],
        size,
        repeats,
        tuple(layers),
        tuple(sorted(set(followers), key=order)),
        reaches,
        frozenset(operation(item.target) for item in items),
        next(filter(None, problems), None),
        moved,
    )


def _holds_values(item: Item) -> bool:
    part = item.target.module
    if isinstance(part, nn.Parameter):
        return True
    if isinstance(part, nn.PReLU):
        return part.num_parameters > 1
    return bool(part._parameters or getattr(part, "running_mean", None) is not None)


def _reach(seen: Trace, item: Item, size: int) -> Reach:
    node, act = item.target, item.handler
    writes = seen.graph.is_out_channel_pruning_fn(act)
    reads = seen.graph.is_in_channel_pruning_fn(act)
    side = "both" if writes and reads else "out" if writes else "in"
    is_bare = isinstance(node.module, nn.Parameter)
    name = seen.graph._param_to_name[node.module] if is_bare else seen.names[node.module]
    channels = np.asarray(item.channels, dtype=np.int64)
    units = np.asarray(item.roots, dtype=np.int64) % size
    return Reach(name, side, channels, units, node.pruning_dim if is_bare else 0)


def _follows(seen: Trace, name: str, writers: Sequence[str]) -> bool:
    """Whether a layer only passes on or scales the channels of others: depthwise, or a gate."""
    if is_depthwise(seen.part(name)):
        return True
    node = seen.node(name)
    for _ in range(4):  # convolution, perhaps a norm, sigmoid, product
        if len(node.outputs) != 1:
            break
        before, node = node, node.outputs[0]
        if "Mul" in operation(node):
            return "sigmoid" in operation(before).lower()
    calls = seen.execution.calls
    pixels = {n: max(math.prod(outs[2:]) for _, outs in calls[n]) for n in writers}
    return pixels[name] == 1 < max(pixels.values())
