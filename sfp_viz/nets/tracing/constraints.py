"""Rules about traced channels: what moves them, and why some cannot be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sfp_viz.nets.tracing.channel_groups import OUTPUTS, SINGLE, Reach
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


def obstacle(seen: Trace, item: Item) -> str:
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


def moved_by(seen: Trace, items: Sequence[Item]) -> str:
    """What moves or mixes the channels on their way, and where; '' when nothing known does."""
    found = seen.places.found
    met = {item.target.grad_fn for item in items}
    here = [(found[node][0], place, found[node][1]) for place, node in enumerate(found)
            if node in met]  # fmt: skip
    return min(here)[2] if here else ""


def single(items: Sequence[Item], width: int) -> str:
    """Why there are not two units that could go one by one."""
    parts = [item.target for item in items]
    blocks = next((node for node in parts if blocks_of(node.module) > 1), None)
    if width < 2 or blocks is None:
        return SINGLE
    return (
        f"Its {width} channels cannot go one by one: they lie in the {blocks.module.groups} "
        f"conv_groups of '{blocks._name}', which stay alike."
    )
