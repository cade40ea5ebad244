"""The weights that go along with the filters of a group: norms, depthwise, readers' slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from sfp_viz.core.network import Along
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, Reach, part_of
from sfp_viz.nets.tracing.execution import BATCH_NORMS, CONVOLUTIONS

_NORMS = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


def weights_along(module: nn.Module, groups: Sequence[ChannelGroup]) -> dict[str, Along]:
    """For each group that can be cut, the squared weights outside the filters of its layers.

    Convolutions and linear layers that read the channels, norms and depthwise layers on their
    way; biases do not count (as in Torch-Pruning's GroupMagnitudeImportance with p = 2, which
    leaves depthwise filters out as well; our reading counts them).
    """
    found = {}
    for group in groups:
        if group.problem:
            continue
        squares, parts = np.zeros(group.size), 0
        for reach in group.reaches:
            own = reach.side == "out" and reach.name in group.layers
            each = None if own else _each(module, reach)
            if each is not None:
                np.add.at(squares, reach.units, each[reach.channels])
                parts += 1
        found[group.name] = Along(squares, parts)
    return found


def input_slices(part: Any, scale: Tensor | None = None) -> Tensor:
    """Weights by input channel, float64 [channels, outputs that read it x window positions].

    ``scale`` multiplies the weights of each output first.
    """
    weight = part.weight.detach().double()
    weight = weight.flatten(2) if weight.ndim > 2 else weight[:, :, None]
    many = getattr(part, "groups", 1)
    if getattr(part, "transposed", False):  # [channels, outputs of their conv_group, positions]
        if scale is not None:
            blocks = scale.view(many, 1, -1, 1)
            weight = (weight.unflatten(0, (many, -1)) * blocks).flatten(0, 1)
        return weight.flatten(1)
    weight = weight if scale is None else weight * scale[:, None, None]
    return weight.unflatten(0, (many, -1)).transpose(1, 2).flatten(0, 1).flatten(1)


def _each(module: nn.Module, reach: Reach) -> np.ndarray | None:
    """Sum of squared weights of every channel on the side of ``reach``; None for what has none."""
    part: Any = part_of(module, reach.name)
    weight = getattr(part, "weight", None)
    if weight is None or not isinstance(part, (*_NORMS, *CONVOLUTIONS, nn.Linear)):
        return None
    if reach.side == "in":
        found = input_slices(part).square().sum(1)
    else:
        turned = getattr(part, "transposed", False) and reach.side == "out"
        rows = weight.detach().double()
        rows = rows.transpose(0, 1) if turned else rows
        found = rows.reshape(len(rows), -1).square().sum(1)
    return found.cpu().numpy()
