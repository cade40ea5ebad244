"""What a layer reads and puts out as rows of a least-squares problem (im2col), in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CHUNK = 2**22  # numbers in one chunk of rows


def input_count(layer: Any) -> int:
    """How many channels or features a convolution or linear layer reads."""
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def position_count(layer: Any, shape: tuple[int, ...]) -> int:
    """At how many positions of one image a layer reads or writes.

    Args:
        layer: A convolution or linear layer.
        shape: The shape of its input or output, [images, ...].
    """
    axes = shape[2:] if isinstance(layer, nn.Conv2d) else shape[1:-1]
    return int(np.prod(axes, dtype=np.int64))


def window_rows(
    layer: Any, inputs: Tensor, targets: Tensor, kept: Tensor, positions: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows that a layer reads, with their targets, as rows in chunks.

    Args:
        layer: A convolution or linear layer.
        inputs: What it reads.
        targets: Rows to go with the windows [images, positions, outputs].
        kept: Input channels to read.
        positions: Output positions whose windows are wanted, as flat indices.

    Yields:
        Windows [rows, kept * kernel] and targets [rows, outputs].
    """
    kernel = int(np.prod(layer.weight.shape[2:], dtype=np.int64))
    for chunk in _chunks(len(inputs), len(positions) * len(kept) * kernel):
        windows = _windows(layer, inputs[chunk], kept, positions.to(inputs.device))
        yield windows.flatten(0, 1), targets[chunk].flatten(0, 1)


def unit_rows(layer: Any, inputs: Tensor, unit_size: int) -> Tensor:
    """What a layer reads, by unit.

    Args:
        layer: A convolution or linear layer.
        inputs: What it reads.
        unit_size: How many features in a row of a linear layer are one unit; 1 for convolutions.

    Returns:
        [images, positions, units].
    """
    rows = rows_of(layer, inputs)
    shape = (len(inputs), -1, rows.shape[-1] // unit_size)
    return rows.unflatten(-1, (-1, unit_size)).transpose(-1, -2).reshape(shape)


def row_chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors [images, positions, ...] as rows, in chunks of bounded size."""
    for chunk in _chunks(len(tensors[0]), max(tensor[:1].numel() for tensor in tensors)):
        yield tuple(tensor[chunk].flatten(0, 1) for tensor in tensors)


def rows_of(layer: Any, values: Tensor) -> Tensor:
    """What a layer reads or puts out as [images, positions, channels or features].

    Args:
        layer: A convolution or linear layer.
        values: Its input or output.
    """
    if isinstance(layer, nn.Conv2d):
        return values.flatten(2).transpose(1, 2)
    return values.reshape(len(values), -1, values.shape[-1])


def sampled_positions(count: int, share: float, turn: int) -> Tensor:
    """A random share of the positions of an image, sorted.

    Args:
        count: How many positions there are.
        share: The share to draw, 0..1; 1 for all.
        turn: The seed: the same number always draws the same positions.

    Returns:
        int64 [at least one].
    """
    if share >= 1:
        return torch.arange(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(turn))
    return order[: max(1, round(share * count))].sort().values


def _windows(layer: Any, inputs: Tensor, kept: Tensor, positions: Tensor) -> Tensor:
    """[images, positions, kept * kernel]; only the wanted windows are ever copied."""
    if isinstance(layer, nn.Linear):
        return rows_of(layer, inputs)[:, positions][..., kept]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs[:, kept], layer._reversed_padding_repeated_twice, mode=mode).contiguous()
    (kernel_h, kernel_w), (stride_h, stride_w) = layer.kernel_size, layer.stride
    dilation_h, dilation_w = layer.dilation
    out_h = (padded.shape[2] - dilation_h * (kernel_h - 1) - 1) // stride_h + 1
    out_w = (padded.shape[3] - dilation_w * (kernel_w - 1) - 1) // stride_w + 1
    image, channel, row, column = padded.stride()
    view = padded.as_strided(
        (len(padded), out_h, out_w, len(kept), kernel_h, kernel_w),
        (image, row * stride_h, column * stride_w, channel, row * dilation_h, column * dilation_w),
    )
    return view[:, positions // out_w, positions % out_w].flatten(2)


def _chunks(images: int, numbers: int) -> Iterator[slice]:
    """Slices of the images that hold a bounded count of numbers, ``numbers`` for one image."""
    step = max(1, _CHUNK // max(1, numbers))
    for start in range(0, images, step):
        yield slice(start, start + step)
