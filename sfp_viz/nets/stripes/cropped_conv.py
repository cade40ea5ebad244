"""A convolution without the border rows and columns of its window that are dead for all filters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Ends = tuple[int, int]


class CroppedConv(nn.Module):
    """What ``conv`` computes when the positions outside ``window`` are 0 in every filter.

    ``window`` is (first, last + 1) of its rows and of its columns (core.stripes.live_window). A
    3 x 3 window whose last row is dead becomes a 2 x 3 one, at any stride, dilation and number of
    conv_groups. Each end of an axis is padded by what it had minus the dead positions there times
    the dilation; where that is below 0, the maps are cropped, so the outputs lie where they lay.
    ``weight`` is [filters, channels of a conv_group, rows, columns]; what is outside is not there,
    so training cannot bring it back. Zero padding given in numbers only.
    """

    at: Tensor

    def __init__(self, conv: nn.Conv2d, window: tuple[Ends, Ends]) -> None:
        super().__init__()
        if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ValueError("a smaller window needs zero padding given in numbers")
        (top, bottom), (left, right) = self.window = window
        self.stride, self.dilation = _pair(conv.stride), _pair(conv.dilation)
        self.whole, self.padding = _pair(conv.kernel_size), _pair(conv.padding)
        self.groups = conv.groups
        live = conv.weight.detach()[:, :, top:bottom, left:right]
        self.weight = nn.Parameter(live.clone(), conv.weight.requires_grad)
        bias = None if conv.bias is None else conv.bias.detach().clone()
        self.bias = None if bias is None else nn.Parameter(bias, conv.weight.requires_grad)
        # not used to compute, but a digest must tell a first row from a last one
        self.register_buffer("at", torch.tensor([top, left], device=conv.weight.device))
        ends = [self._ends(axis) for axis in (0, 1)]
        even = [low == high >= 0 for low, high in ends]
        self._even = tuple(low if same else 0 for (low, _), same in zip(ends, even, strict=True))
        self._rest = [(0, 0) if same else pair for pair, same in zip(ends, even, strict=True)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is left of the window."""
        return self.weight.shape[2], self.weight.shape[3]

    def _ends(self, axis: int) -> Ends:
        """Padding before and after the maps along an axis; below 0: so much is cropped."""
        first, stop = self.window[axis]
        step, pad = self.dilation[axis], self.padding[axis]
        return pad - first * step, pad - (self.whole[axis] - stop) * step

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = self._rest
        wider = [max(0, end) for end in (*columns, *rows)]  # F.pad begins with the last axis
        maps = F.pad(maps, wider) if any(wider) else maps
        if min(*rows, *columns) < 0:
            maps = maps[:, :, _inside(rows), _inside(columns)]
        return F.conv2d(
            maps, self.weight, self.bias, self.stride, self._even, self.dilation, self.groups
        )

    def dense(self) -> nn.Conv2d:
        """The convolution with the whole window, and zeros where it is dead."""
        filters, block = self.weight.shape[:2]
        with torch.device(self.weight.device):
            conv = nn.Conv2d(
                block * self.groups, filters, self.whole, self.stride, self.padding, self.dilation,
                self.groups, self.bias is not None, dtype=self.weight.dtype,
            )  # fmt: skip
        with torch.no_grad():
            conv.weight.zero_()
            rows, columns = (slice(*ends) for ends in self.window)
            conv.weight[:, :, rows, columns] = self.weight
            if conv.bias is not None and self.bias is not None:
                conv.bias.copy_(self.bias)
        return conv.requires_grad_(self.weight.requires_grad).train(self.training)

    def extra_repr(self) -> str:
        size, full_size = (f"{height} x {width}" for height, width in (self.size, self.whole))
        start = self.window[0][0], self.window[1][0]
        return f"{size} of {full_size} positions, from {start} on, stride={self.stride}"


def _pair(numbers: tuple[int, ...]) -> Ends:
    return int(numbers[0]), int(numbers[1])


def _inside(ends: Ends) -> slice:
    """What an axis keeps where ``ends`` below 0 crop it."""
    low, high = ends
    return slice(max(0, -low), high if high < 0 else None)
