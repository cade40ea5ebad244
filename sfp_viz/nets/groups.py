"""Which channels must go together, and how they are cut. The only file that knows torch-pruning.

Torch-Pruning (Fang et al. 2023) traces the network and tells, for every filter, which slices of
which parameters belong to it. We keep that as plain tables, and cut by them all at once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from sfp_viz.errors import SfpError
from sfp_viz.nets.channels import (
    OUTPUTS,
    SINGLE,
    ChannelGroup,
    Reach,
    channels_of,
    part_of,
    rearranged,
    shorten,
    without_overlaps,
)
from sfp_viz.nets.execution import Execution, blank, layers_of
from sfp_viz.nets.places import Places
from sfp_viz.nets.walk import Item, walk

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
    places = Places(dry)
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            # It warns of shapes it gives up on; the zeroed-channel check finds what follows.
            warnings.filterwarnings("ignore", "Maximum recursive depth", UserWarning)
            with places:
                graph = tp.DependencyGraph().build_dependency(dry, [image], verbose=False)
        _settle(graph)
        seen = _Trace(graph, names, roots, execution, places, _tied(dry))
        known: set[str] = set()
        for root in roots:
            if root not in known and dry.get_submodule(root) in graph.module2node:
                found.append(_group(seen, root))
                known |= {root, *found[-1].layers, *found[-1].followers}
    except Exception as problem:  # the tracer meets foreign code and may raise anything
        what = places.first()
        told = f"{what} moves or mixes channels" if what else f"{type(problem).__name__}: {problem}"
        raise TraceError(f"it cannot be traced: {told}") from problem
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
    places: Places
    tied: frozenset[int]  # modules that share a parameter with another

    def part(self, name: str) -> nn.Module:
        return self.graph.model.get_submodule(name)

    def node(self, name: str) -> Any:
        return self.graph.module2node[self.part(name)]


def _tied(module: nn.Module) -> frozenset[int]:
    holders: dict[int, set[int]] = {}
    for part in module.modules():
        for parameter in part.parameters(recurse=False):
            holders.setdefault(id(parameter), set()).add(id(part))
    return frozenset(part for parts in holders.values() if len(parts) > 1 for part in parts)


def _settle(graph: Any) -> None:
    """Complete a traced graph; TraceError for what it cannot tell."""
    nodes = list(graph.module2node.values())
    if any(mark in _operation(node) for node in nodes for mark in _ATTENTION):
        raise TraceError("its attention layers mix channels in matrix products")
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


def _group(seen: _Trace, root: str) -> ChannelGroup:
    """The channels that go with the filters of the layer ``root``."""
    graph, part = seen.graph, seen.part(root)
    width = graph.get_out_channels(part)
    act = graph.get_pruner_of_module(part).prune_out_channels
    limit = 1 + max(max(p.shape, default=1) for p in graph.model.parameters())  # one shows excess
    items = walk(seen.node(root), act, width, limit)
    repeats = math.lcm(1, *(_blocks(item.target.module) for item in items))
    size = max(1, width // repeats)
    reaches = tuple(_reach(seen, item, size) for item in items if _holds_values(item))
    writers = [r.name for r in reaches if r.name in seen.roots and r.side != "in"]
    followers = [name for name in writers if _follows(seen, name, writers)]
    if len(followers) == len(writers):
        followers.remove(root)
    moved_by = _moved_by(seen, items)
    problems = [_obstacle(seen, item) for item in items]
    irregular = next((r.name for r in reaches if _is_irregular(seen, r, size)), "")
    problems += [rearranged(moved_by, irregular) if irregular else ""]
    problems += [_single(items, width) if width % repeats or size < 2 else ""]
    order = seen.roots.index
    layers = sorted(set(writers) - set(followers), key=order)
    return ChannelGroup(
        layers[0],
        size,
        repeats,
        tuple(layers),
        tuple(sorted(set(followers), key=order)),
        reaches,
        frozenset(_operation(item.target) for item in items),
        next(filter(None, problems), ""),
        moved_by,
    )


def _moved_by(seen: _Trace, items: Sequence[Item]) -> str:
    """What moves or mixes the channels on their way, and where; '' when nothing known does."""
    found = seen.places.found
    met = {item.target.grad_fn for item in items}
    here = [(found[node][0], place, found[node][1]) for place, node in enumerate(found)
            if node in met]  # fmt: skip
    return min(here)[2] if here else ""


def _single(items: Sequence[Item], width: int) -> str:
    """Why there are not two units that could go one by one."""
    parts = [item.target for item in items]
    blocks = next((node for node in parts if _blocks(node.module) > 1), None)
    if width < 2 or blocks is None:
        return SINGLE
    return (
        f"Its {width} channels cannot go one by one: they lie in the {blocks.module.groups} "
        f"conv_groups of '{blocks._name}', which stay alike."
    )


def _holds_values(item: Item) -> bool:
    part = item.target.module
    if isinstance(part, nn.Parameter):
        return True
    if isinstance(part, nn.PReLU):
        return part.num_parameters > 1
    return bool(part._parameters or getattr(part, "running_mean", None) is not None)


def _reach(seen: _Trace, item: Item, size: int) -> Reach:
    node, act = item.target, item.handler
    writes = seen.graph.is_out_channel_pruning_fn(act)
    reads = seen.graph.is_in_channel_pruning_fn(act)
    side = "both" if writes and reads else "out" if writes else "in"
    is_bare = isinstance(node.module, nn.Parameter)
    name = seen.graph._param_to_name[node.module] if is_bare else seen.names[node.module]
    channels = np.asarray(item.channels, dtype=np.int64)
    units = np.asarray(item.roots, dtype=np.int64) % size
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


def _obstacle(seen: _Trace, item: Item) -> str:
    """Why channels that meet this operation cannot be cut; '' when they can."""
    node = item.target
    part = node.module
    kind = type(part).__name__
    is_end = not node.outputs and seen.graph.is_out_channel_pruning_fn(item.handler)
    if kind == "_OutputOp" or is_end:
        return OUTPUTS
    if isinstance(part, nn.LayerNorm | nn.GroupNorm):
        return (
            f"{kind} '{seen.names[part]}' normalizes its channels together, so cutting one "
            "would change all the others."
        )
    if isinstance(part, nn.ConvTranspose2d) and part.groups > 1:
        return (
            f"It cannot be traced: the {part.groups} conv_groups of the transposed convolution "
            f"'{seen.names[part]}' are not followed."
        )
    if id(part) in seen.tied:
        return (
            f"The parameters of '{seen.names[part]}' are also those of another layer, so cutting "
            "one would cut both."
        )
    if isinstance(part, nn.MultiheadAttention | nn.LSTM | nn.Embedding):
        return f"It is tied to {kind} '{seen.names[part]}', which is not cut here."
    return ""


def _is_irregular(seen: _Trace, reach: Reach, size: int) -> bool:
    """Whether the channels of one module do not line up with the units."""
    counts = np.bincount(reach.units, minlength=size)
    if len(set(counts.tolist())) != 1:
        return True
    if reach.name not in seen.roots:
        return False
    part: Any = seen.part(reach.name)
    look = seen.graph.get_in_channels if reach.side == "in" else seen.graph.get_out_channels
    units = np.full(look(part), -1)
    if reach.channels.max() >= len(units):
        return True
    units[reach.channels] = reach.units
    if reach.side != "in":
        return not np.array_equal(units, np.arange(len(units)) % size)
    if (blocks := _blocks(part)) > 1:
        table = units.reshape(blocks, -1)
        return not bool((table == table[0]).all())
    return False
