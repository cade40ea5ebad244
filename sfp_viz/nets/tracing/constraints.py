"""Rules about traced channels: what moves them, and why some cannot be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sfp_viz.core.network import Cause
from sfp_viz.nets.tracing.channel_groups import Reach
from sfp_viz.nets.tracing.channel_operations import Places
from sfp_viz.nets.tracing.execution import Execution
from sfp_viz.nets.tracing.propagation import Item


@dataclass(frozen=True)
class Trace:
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


def operation(node: Any) -> str:
    """torch's name of what a node of the graph does."""
    return str(getattr(node.module, "_grad_fn", type(node.module).__name__))


def obstacle(seen: Trace, item: Item) -> Cause | None:
    """Why channels that meet this operation cannot be cut; None when they can."""
    node = item.target
    part = node.module
    kind = type(part).__name__
    is_end = not node.outputs and seen.graph.is_out_channel_pruning_fn(item.handler)
    if kind == "_OutputOp" or is_end:
        return Cause("network_output")
    if isinstance(part, nn.LayerNorm | nn.GroupNorm):
        return Cause("joint_norm", operation=kind, place=seen.names[part])
    if isinstance(part, nn.ConvTranspose2d) and part.groups > 1:
        return Cause("transposed_conv_groups", place=seen.names[part], conv_groups=part.groups)
    if id(part) in seen.tied:
        return Cause("shared_parameters", place=seen.names[part])
    if isinstance(part, nn.MultiheadAttention | nn.LSTM | nn.Embedding):
        return Cause("coupled_module", operation=kind, place=seen.names[part])
    return None


def is_irregular(seen: Trace, reach: Reach, size: int) -> bool:
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
    if (blocks := blocks_of(part)) > 1:
        table = units.reshape(blocks, -1)
        return not bool((table == table[0]).all())
    return False


def blocks_of(part: Any) -> int:
    """conv_groups of a convolution that mixes channels inside each; 1 for all else."""
    if not isinstance(part, nn.modules.conv._ConvNd) or is_depthwise(part):
        return 1
    return part.groups


def is_depthwise(part: Any) -> bool:
    """Whether a convolution has one filter for each channel."""
    whole = getattr(part, "groups", 1)
    return whole > 1 and whole == part.out_channels == part.in_channels


def moved_by(seen: Trace, items: Sequence[Item]) -> Cause | None:
    """What moves or mixes the channels on their way, and where; None when nothing known does."""
    moves = seen.places.moves
    met = {item.target.grad_fn for item in items}
    ranked = [(move.rank, place, move) for place, (node, move) in enumerate(moves.items())
              if node in met]  # fmt: skip
    return min(ranked)[2].cause if ranked else None


def single(items: Sequence[Item], width: int) -> Cause:
    """Why there are not two units that could be removed one by one."""
    parts = [item.target for item in items]
    blocks = next((node for node in parts if blocks_of(node.module) > 1), None)
    if width < 2 or blocks is None:
        return Cause("single_unit")
    return Cause(
        "conv_groups", place=blocks._name, channels=width, conv_groups=blocks.module.groups
    )
