"""Rules about traced channels: what moves them, and why some cannot be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sfp_viz.core.network import Cause
from sfp_viz.nets.tracing.channel_groups import ChannelSlice
from sfp_viz.nets.tracing.channel_operations import OperationRecorder
from sfp_viz.nets.tracing.execution import Execution
from sfp_viz.nets.tracing.propagation import NodeChannels


@dataclass(frozen=True)
class Trace:
    """Torch-Pruning's graph of a copy on the meta device.

    Attributes:
        graph: The dependency graph.
        names: The modules' paths.
        roots: The layers with filters, in order of execution.
        execution: What ran in a forward pass.
        recorder: Operations that move or mix channels.
        tied: Ids of modules that share a parameter with another.
    """

    graph: Any
    names: Mapping[nn.Module, str]
    roots: tuple[str, ...]
    execution: Execution
    recorder: OperationRecorder
    tied: frozenset[int]

    def module(self, name: str) -> nn.Module:
        """The module at a path."""
        return self.graph.model.get_submodule(name)

    def node(self, name: str) -> Any:
        """The graph's node of the module at a path."""
        return self.graph.module2node[self.module(name)]


def operation(node: Any) -> str:
    """torch's name of what a node of the graph does."""
    return str(getattr(node.module, "_grad_fn", type(node.module).__name__))


def constraint_on(trace: Trace, channels: NodeChannels) -> Cause | None:
    """Why channels that meet an operation cannot be cut; None when they can.

    Args:
        trace: The traced network.
        channels: The operation, and the channels there.
    """
    node = channels.target
    layer = node.module
    kind = type(layer).__name__
    is_end = not node.outputs and trace.graph.is_out_channel_pruning_fn(channels.handler)
    if kind == "_OutputOp" or is_end:
        return Cause("network_output")
    if isinstance(layer, nn.LayerNorm | nn.GroupNorm):
        return Cause("joint_norm", operation=kind, place=trace.names[layer])
    if isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1:
        return Cause("transposed_conv_groups", place=trace.names[layer], conv_groups=layer.groups)
    if id(layer) in trace.tied:
        return Cause("shared_parameters", place=trace.names[layer])
    if isinstance(layer, nn.MultiheadAttention | nn.LSTM | nn.Embedding):
        return Cause("coupled_module", operation=kind, place=trace.names[layer])
    return None


def is_irregular(trace: Trace, span: ChannelSlice, size: int) -> bool:
    """Whether the channels of one module do not line up with the units.

    Args:
        trace: The traced network.
        span: The channels in that module.
        size: How many units the group has.
    """
    counts = np.bincount(span.units, minlength=size)
    if len(set(counts.tolist())) != 1:
        return True
    if span.name not in trace.roots:
        return False
    layer: Any = trace.module(span.name)
    width_of = trace.graph.get_in_channels if span.side == "in" else trace.graph.get_out_channels
    units = np.full(width_of(layer), -1)
    if span.channels.max() >= len(units):
        return True
    units[span.channels] = span.units
    if span.side != "in":
        return not np.array_equal(units, np.arange(len(units)) % size)
    if (blocks := conv_group_count(layer)) > 1:
        table = units.reshape(blocks, -1)
        return not bool((table == table[0]).all())
    return False


def conv_group_count(layer: Any) -> int:
    """conv_groups of a convolution that mixes channels inside each; 1 for all else."""
    if not isinstance(layer, nn.modules.conv._ConvNd) or is_depthwise(layer):
        return 1
    return layer.groups


def is_depthwise(layer: Any) -> bool:
    """Whether a convolution has one filter for each channel."""
    groups = getattr(layer, "groups", 1)
    return groups > 1 and groups == layer.out_channels == layer.in_channels


def moved_by(trace: Trace, items: Sequence[NodeChannels]) -> Cause | None:
    """What moves or mixes channels on their way, and where; None when nothing known does.

    Args:
        trace: The traced network.
        items: Everything that the channels meet.
    """
    operations = trace.recorder.operations
    met = {channels.target.grad_fn for channels in items}
    ranked = [
        (recorded.rank, order, recorded)
        for order, (node, recorded) in enumerate(operations.items())
        if node in met
    ]
    return min(ranked)[2].cause if ranked else None


def single(items: Sequence[NodeChannels], width: int) -> Cause:
    """Why there are not two units that could be removed one by one.

    Args:
        items: Everything that the channels meet.
        width: How many filters the first layer has.
    """
    nodes = [channels.target for channels in items]
    grouped = next((node for node in nodes if conv_group_count(node.module) > 1), None)
    if width < 2 or grouped is None:
        return Cause("single_unit")
    return Cause(
        "conv_groups", place=grouped._name, channels=width, conv_groups=grouped.module.groups
    )
