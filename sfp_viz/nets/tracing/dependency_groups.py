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
    ChannelSlice,
    module_or_parameter,
    rearranged,
    remove_entries,
    removed_slices,
    without_overlaps,
)
from sfp_viz.nets.tracing.channel_operations import OperationRecorder
from sfp_viz.nets.tracing.constraints import (
    Trace,
    constraint_on,
    conv_group_count,
    is_depthwise,
    is_irregular,
    moved_by,
    operation,
    single,
)
from sfp_viz.nets.tracing.execution import Execution, layers_of, meta_copy
from sfp_viz.nets.tracing.propagation import NodeChannels, propagate

_ATTENTION = ("Bmm", "ScaledDotProduct", "MultiheadAttention")


class TraceError(SfpError):
    """The network cannot be traced; ``cause`` says why. It can still be explored."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"The network cannot be traced: {cause.label}")
        self.cause = cause


def trace(
    module: nn.Module, input_shape: tuple[int, int, int], execution: Execution
) -> tuple[ChannelGroup, ...]:
    """The channel groups of ``module``, in order of execution.

    Args:
        module: The network; it is not run, only a copy without values.
        input_shape: Channels, height and width of its images.
        execution: What ran in a forward pass of it.

    Raises:
        TraceError: The network cannot be traced.
    """
    import torch_pruning as tp

    copied = meta_copy(module)
    names = {layer: name for name, layer in copied.named_modules()}
    image = torch.zeros(1, *input_shape, device="meta")
    roots = layers_of(module, execution)
    groups: list[ChannelGroup] = []
    recorder = OperationRecorder(copied)
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            # It warns of shapes it gives up on; the zeroed-channel check finds what follows.
            warnings.filterwarnings("ignore", "Maximum recursive depth", UserWarning)
            with recorder:
                graph = tp.DependencyGraph().build_dependency(copied, [image], verbose=False)
        _complete(graph)
        traced = Trace(graph, names, roots, execution, recorder, _tied(copied))
        grouped: set[str] = set()
        for root in roots:
            if root not in grouped and copied.get_submodule(root) in graph.module2node:
                groups.append(_group(traced, root))
                grouped |= {root, *groups[-1].layers, *groups[-1].followers}
    except Exception as problem:  # the tracer meets foreign code and may raise anything
        move = recorder.first() or Cause("text", text=f"{type(problem).__name__}: {problem}")
        raise TraceError(replace(move, kind="untraceable_network")) from problem
    return tuple(without_overlaps(groups))


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
        if isinstance(layer, nn.Parameter):
            remove_entries(module, name, axis, channels)
            continue
        learns = {key: p.requires_grad for key, p in layer.named_parameters(recurse=False)}
        pruner: Any = PrunerBox[module2type(layer)]
        prune = pruner.prune_in_channels if side == "in" else pruner.prune_out_channels
        with torch.no_grad():
            prune(layer, sorted(channels))
        for key, parameter in layer.named_parameters(recurse=False):
            parameter.requires_grad_(learns[key])


def _tied(module: nn.Module) -> frozenset[int]:
    holders: dict[int, set[int]] = {}
    for owner in module.modules():
        for parameter in owner.parameters(recurse=False):
            holders.setdefault(id(parameter), set()).add(id(owner))
    return frozenset(owner for owners in holders.values() if len(owners) > 1 for owner in owners)


def _complete(graph: Any) -> None:
    """Complete a traced graph; TraceError where it has attention."""
    nodes = list(graph.module2node.values())
    if any(mark in operation(node) for node in nodes for mark in _ATTENTION):
        raise TraceError(Cause("untraceable_network", operation="attention"))
    for node in nodes:
        if getattr(node.grad_fn, "_saved_dim", 0) == 1 and hasattr(node.module, "concat_sizes"):
            _set_offsets(node)


def _set_offsets(joined: Any) -> None:
    """Set the offsets of a concatenation's inputs, which the tracer leaves out when a flattening
    follows, because it takes the flattened width for that of the maps."""
    from torch_pruning.dependency.index_mapping import _ConcatIndexMapping

    sizes = joined.module.concat_sizes
    if joined.module.offsets is not None or not sizes or None in sizes:
        return
    ends = np.cumsum([0, *sizes]).tolist()
    done: set[int] = set()  # an input that is joined twice has two dependencies that are equal
    for joined_input, span in zip(joined.inputs, pairwise(ends), strict=False):
        for source, target, back in (
            (joined, joined_input, True),
            (joined_input, joined, False),
        ):
            dependencies = (
                d for d in source.dependencies if d.target is target and id(d) not in done
            )
            for dependency in dependencies:
                dependency.index_mapping[1] = _ConcatIndexMapping(list(span), reverse=back)
                done.add(id(dependency))
                break


def _group(traced: Trace, root: str) -> ChannelGroup:
    """The channels that go with the filters of the layer ``root``."""
    graph, layer = traced.graph, traced.module(root)
    width = graph.get_out_channels(layer)
    handler = graph.get_pruner_of_module(layer).prune_out_channels
    limit = 1 + max(max(p.shape, default=1) for p in graph.model.parameters())  # one shows excess
    items = propagate(traced.node(root), handler, width, limit)
    repeats = math.lcm(1, *(conv_group_count(item.target.module) for item in items))
    size = max(1, width // repeats)
    slices = tuple(_slice_of(traced, item, size) for item in items if _holds_values(item))
    writers = [r.name for r in slices if r.name in traced.roots and r.side != "in"]
    followers = [name for name in writers if _follows(traced, name, writers)]
    if len(followers) == len(writers):
        followers.remove(root)
    moved = moved_by(traced, items)
    problems = [constraint_on(traced, item) for item in items]
    irregular = next((r.name for r in slices if is_irregular(traced, r, size)), "")
    problems += [rearranged(moved, irregular) if irregular else None]
    problems += [single(items, width) if width % repeats or size < 2 else None]
    order = traced.roots.index
    layers = sorted(set(writers) - set(followers), key=order)
    return ChannelGroup(
        layers[0],
        size,
        repeats,
        tuple(layers),
        tuple(sorted(set(followers), key=order)),
        slices,
        frozenset(operation(item.target) for item in items),
        next(filter(None, problems), None),
        moved,
    )


def _holds_values(item: NodeChannels) -> bool:
    layer = item.target.module
    if isinstance(layer, nn.Parameter):
        return True
    if isinstance(layer, nn.PReLU):
        return layer.num_parameters > 1
    return bool(layer._parameters or getattr(layer, "running_mean", None) is not None)


def _slice_of(traced: Trace, item: NodeChannels, size: int) -> ChannelSlice:
    node, handler = item.target, item.handler
    writes = traced.graph.is_out_channel_pruning_fn(handler)
    reads = traced.graph.is_in_channel_pruning_fn(handler)
    side = "both" if writes and reads else "out" if writes else "in"
    is_bare = isinstance(node.module, nn.Parameter)
    name = traced.graph._param_to_name[node.module] if is_bare else traced.names[node.module]
    channels = np.asarray(item.channels, dtype=np.int64)
    units = np.asarray(item.roots, dtype=np.int64) % size
    return ChannelSlice(name, side, channels, units, node.pruning_dim if is_bare else 0)


def _follows(traced: Trace, name: str, writers: Sequence[str]) -> bool:
    """Whether a layer only passes on or scales the channels of others: depthwise, or a gate."""
    if is_depthwise(traced.module(name)):
        return True
    node = traced.node(name)
    for _ in range(4):  # convolution, perhaps a norm, sigmoid, product
        if len(node.outputs) != 1:
            break
        previous, node = node, node.outputs[0]
        if "Mul" in operation(node):
            return "sigmoid" in operation(previous).lower()
    calls = traced.execution.calls
    pixels = {n: max(math.prod(outs[2:]) for _, outs in calls[n]) for n in writers}
    return pixels[name] == 1 < max(pixels.values())
