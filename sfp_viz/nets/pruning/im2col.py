"""What a layer reads and puts out, as rows for a least-squares fit: drawn and in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CHUNK = 2**22  # numbers of one chunk of rows


def inputs_of(part: Any) -> int:
    """How many channels or features a convolution or linear layer reads."""
    return part.in_features if isinstance(part, nn.Linear) else part.in_channels


def positions(part: Any, shape: tuple[int, ...]) -> int:
    """At how many positions of one image a layer reads or writes values of this ``shape``."""
    axes = shape[2:] if isinstance(part, nn.Conv2d) else shape[1:-1]
    return int(np.prod(axes, dtype=np.int64))


def window_rows(
    part: Any, given: Tensor, apart: Tensor, kept: Tensor, chosen: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows of the ``kept`` inputs at the ``chosen`` positions [rows, kept * kernel], and the
    rows [rows, outputs] of ``apart`` [images, chosen, outputs], in chunks."""
    each = len(chosen) * len(kept) * int(np.prod(part.weight.shape[2:], dtype=np.int64))
    for some in _chunks(len(given), each):
        windows = _windows(part, given[some], kept, chosen.to(given.device))
        yield windows.flatten(0, 1), apart[some].flatten(0, 1)


def unit_rows(part: Any, maps: Tensor, size: int) -> Tensor:
    """What a layer reads as [images, positions, units]; ``size`` features in a row of a linear
    layer are one unit."""
    rows = rows_of(part, maps)
    shape = (len(maps), -1, rows.shape[-1] // size)
    return rows.unflatten(-1, (-1, size)).transpose(-1, -2).reshape(shape)


def in_chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Bounded pieces of tensors [images, positions, ...], as rows."""
    for some in _chunks(len(tensors[0]), max(tensor[:1].numel() for tensor in tensors)):
        yield tuple(tensor[some].flatten(0, 1) for tensor in tensors)


def rows_of(part: Any, values: Tensor) -> Tensor:
    """What a layer reads or puts out as [images, positions, channels or features]."""
    if isinstance(part, nn.Conv2d):
        return values.flatten(2).transpose(1, 2)
    return values.reshape(len(values), -1, values.shape[-1])


def _windows(part: Any, given: Tensor, kept: Tensor, chosen: Tensor) -> Tensor:
    """[images, positions, kept * kernel]; only the chosen windows are ever copied."""
    if isinstance(part, nn.Linear):
        return rows_of(part, given)[:, chosen][..., kept]
    fill = "constant" if part.padding_mode == "zeros" else part.padding_mode
    padded = F.pad(given[:, kept], part._reversed_padding_repeated_twice, mode=fill).contiguous()
    (tall, wide), (down, across), (far, aside) = part.kernel_size, part.stride, part.dilation
    high = (padded.shape[2] - far * (tall - 1) - 1) // down + 1
    broad = (padded.shape[3] - aside * (wide - 1) - 1) // across + 1
    image, channel, row, column = padded.stride()
    view = padded.as_strided(
        (len(padded), high, broad, len(kept), tall, wide),
        (image, row * down, column * across, channel, row * far, column * aside),
    )
    return view[:, chosen // broad, chosen % broad].flatten(2)


def drawn(count: int, share: float, turn: int) -> Tensor:
    """A ``share`` of ``count`` positions, all of them for 1; always the same for a ``turn``."""
    if share >= 1:
        return torch.arange(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(turn))
    return order[: max(1, round(share * count))].sort().values


def _chunks(images: int, each: int) -> Iterator[slice]:
    """Slices of the images that hold a bounded number of values, ``each`` for one image."""
    step = max(1, _CHUNK // max(1, each))
    for start in range(0, images, step):
        yield slice(start, start + step)
