"""The weights that go along with the filters of a group: norms, depthwise, readers' slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.network import Along
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, ChannelSlice, module_or_parameter
from sfp_viz.nets.tracing.execution import BATCH_NORMS, CONVOLUTIONS

_ROWS = 32  # of a linear layer that are in float64 at a time
_NORMS = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


def coupled_weights(module: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Along]:
    """For each group that can be cut, the squared weights outside the filters of its layers.

    Convolutions and linear layers that read the channels, norms and depthwise layers on their
    way; biases do not count (as in Torch-Pruning's GroupMagnitudeImportance with p = 2, which
    leaves depthwise filters out as well; our reading counts them).

    Args:
        module: The network.
        groups: Its channel groups.
    """
    coupled = {}
    for group in groups:
        if group.problem:
            continue
        squares, tensors = np.zeros(group.size), 0
        for span in group.slices:
            is_filter = span.side == "out" and span.name in group.layers
            channel_squares = None if is_filter else _squares_by_channel(module, span)
            if channel_squares is not None:
                np.add.at(squares, span.units, channel_squares[span.channels])
                tensors += 1
        coupled[group.name] = Along(squares, tensors)
    return coupled


def input_slices(layer: Any, scale: Tensor | None = None) -> Tensor:
    """Weights by input channel, float64 [channels, outputs that read it x window positions].

    Args:
        layer: A convolution or linear layer.
        scale: A factor for the weights of each output [outputs]; None for 1.
    """
    weight = layer.weight.detach().double()
    weight = weight.flatten(2) if weight.ndim > 2 else weight[:, :, None]
    conv_groups = getattr(layer, "groups", 1)
    if getattr(layer, "transposed", False):  # [channels, outputs of their conv_group, positions]
        if scale is not None:
            blocks = scale.view(conv_groups, 1, -1, 1)
            weight = (weight.unflatten(0, (conv_groups, -1)) * blocks).flatten(0, 1)
        return weight.flatten(1)
    weight = weight if scale is None else weight * scale[:, None, None]
    return weight.unflatten(0, (conv_groups, -1)).transpose(1, 2).flatten(0, 1).flatten(1)


def _squares_by_channel(module: nn.Module, span: ChannelSlice) -> np.ndarray | None:
    """Sum of squared weights of every channel on the side of ``span``; None for what has none."""
    layer: Any = module_or_parameter(module, span.name)
    weight = getattr(layer, "weight", None)
    if weight is None or not isinstance(layer, (*_NORMS, *CONVOLUTIONS, nn.Linear)):
        return None
    if span.side == "in" and isinstance(layer, nn.Linear):  # some at a time: they may be large
        squares = torch.zeros(weight.shape[1], dtype=torch.float64, device=weight.device)
        for part in weight.detach().split(_ROWS):
            squares += part.double().square().sum(0)
    elif span.side == "in":
        squares = input_slices(layer).square().sum(1)
    else:
        is_transposed = getattr(layer, "transposed", False) and span.side == "out"
        rows = weight.detach().double()
        rows = rows.transpose(0, 1) if is_transposed else rows
        squares = rows.reshape(len(rows), -1).square().sum(1)
    return squares.cpu().numpy()
