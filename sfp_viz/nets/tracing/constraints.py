"""Rules about traced channels: why some cannot be cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from sfp_viz.core.network import Cause
from sfp_viz.nets.tracing.channel_groups import ChannelSlice


def conv_group_count(layer: Any) -> int:
    """conv_groups of a convolution that mixes channels inside each; 1 for all else."""
    if not isinstance(layer, nn.modules.conv._ConvNd) or is_depthwise(layer):
        return 1
    return layer.groups


def is_depthwise(layer: Any) -> bool:
    """Whether a convolution reads each channel by filters of its own."""
    groups = getattr(layer, "groups", 1)
    is_transposed = getattr(layer, "transposed", False)
    return isinstance(groups, int) and 1 < groups == layer.in_channels and not is_transposed


def shared_parameters(module: nn.Module) -> dict[str, Cause]:
    """Why the modules that share a parameter with another one cannot be cut."""
    owners: dict[int, list[str]] = {}
    for name, layer in module.named_modules():
        for parameter in layer.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return {
        name: Cause("shared_parameters", place=names[0])
        for names in owners.values()
        for name in names
        if len(names) > 1
    }


def single_unit(
    module: nn.Module,
    names: Sequence[str],
    slices: Sequence[ChannelSlice],
    size: int,
    moved_by: Cause | None,
) -> Cause | None:
    """Why there are not two units that could be removed one by one; None when there are.

    Args:
        module: The network.
        names: The layers of the group.
        slices: Where the group's channels are written and read.
        size: Units of the group.
        moved_by: What rearranges its channels, if anything does.
    """
    if size > 1:
        return None
    parts: dict[str, Any] = dict(module.named_modules())
    width = max(len(span.channels) for span in slices)
    for name in dict.fromkeys(span.name for span in slices):
        if width > 1 and conv_group_count(parts.get(name)) > 1:
            groups = parts[name].groups
            return Cause("conv_groups", place=name, channels=width, conv_groups=groups)
    return moved_by if moved_by and width > 1 else Cause("single_unit")
