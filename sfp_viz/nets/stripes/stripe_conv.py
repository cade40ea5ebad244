"""A convolution that holds and runs only its live stripes, at output resolution."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StripeConv(nn.Module):
    """What ``conv`` computes when the stripes outside ``mask`` are 0.

    For each position of the window (and conv_group) the input is sliced with the stride, a 1x1
    convolution with the filters that are live there runs on the slice, and its maps are added to
    theirs. So the work is the counted one at any stride (the published code runs at input
    resolution; docs/method.md). ``weight`` is [live stripes, channels of a conv_group], ordered by
    position, then filter; dead stripes are not there, so training cannot bring them back.
    ``mask`` is bool [filters, height, width]. Zero padding given in numbers only.
    """

    filters: Tensor

    def __init__(self, conv: nn.Conv2d, mask: Tensor) -> None:
        super().__init__()
        if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ValueError("stripes need zero padding given in numbers")
        self.stride, self.dilation = _pair(conv.stride), _pair(conv.dilation)
        self.padding, self.window = _pair(conv.padding), _pair(conv.kernel_size)
        self.groups, self.in_channels = conv.groups, conv.in_channels
        self.out_channels = conv.out_channels
        order = mask.permute(1, 2, 0).nonzero()  # [live, 3]: row, column, filter
        rows, columns, filters = order.unbind(1)
        weight = conv.weight.detach()[filters, :, rows, columns]
        self.weight = nn.Parameter(weight.clone(), conv.weight.requires_grad)
        bias = None if conv.bias is None else conv.bias.detach().clone()
        self.bias = None if bias is None else nn.Parameter(bias, conv.weight.requires_grad)
        self.register_buffer("filters", filters.clone())
        # not used to compute, but a digest must tell one position from another
        self.register_buffer("positions", order[:, :2].clone(memory_format=torch.contiguous_format))
        self._runs = _runs(order.tolist(), conv.out_channels // conv.groups)

    def forward(self, maps: Tensor) -> Tensor:
        down, across = self.padding
        maps = F.pad(maps, (across, across, down, down)) if down or across else maps
        height, width = (
            (size - step * (window - 1) - 1) // stride + 1
            for size, step, window, stride in zip(
                maps.shape[2:], self.dilation, self.window, self.stride, strict=True
            )
        )
        out = maps.new_zeros(maps.shape[0], self.out_channels, height, width)
        block = self.in_channels // self.groups
        for row, column, group, start, stop in self._runs:
            top, left = row * self.dilation[0], column * self.dilation[1]
            inputs = maps[
                :,
                group * block : (group + 1) * block,
                top : top + (height - 1) * self.stride[0] + 1 : self.stride[0],
                left : left + (width - 1) * self.stride[1] + 1 : self.stride[1],
            ]
            outputs = F.conv2d(inputs, self.weight[start:stop, :, None, None])
            if stop - start == self.out_channels:
                # onnxscript's optimizer takes an index_add to all for an assignment (its PR 3049)
                out = out + outputs
            else:
                out = out.index_add(1, self.filters[start:stop], outputs)
        return out if self.bias is None else out + self.bias.view(1, -1, 1, 1)

    def dense(self) -> nn.Conv2d:
        """The convolution with the dead stripes as zeros."""
        with torch.device(self.weight.device):
            conv = nn.Conv2d(
                self.in_channels, self.out_channels, self.window, self.stride, self.padding,
                self.dilation, self.groups, self.bias is not None, dtype=self.weight.dtype,
            )  # fmt: skip
        with torch.no_grad():
            conv.weight.zero_()
            for row, column, _, start, stop in self._runs:
                conv.weight[self.filters[start:stop], :, row, column] = self.weight[start:stop]
            if conv.bias is not None and self.bias is not None:
                conv.bias.copy_(self.bias)
        return conv.requires_grad_(self.weight.requires_grad).train(self.training)

    def extra_repr(self) -> str:
        whole = self.out_channels * self.window[0] * self.window[1]
        return f"{len(self.weight)} of {whole} stripes, window={self.window}, stride={self.stride}"


def _pair(numbers: tuple[int, ...]) -> tuple[int, int]:
    return int(numbers[0]), int(numbers[1])


def _runs(order: list[list[int]], filters: int) -> tuple[tuple[int, int, int, int, int], ...]:
    """Runs of stripes of one position and conv_group: (row, column, group, first, last + 1)."""
    runs, start = [], 0
    for key, run in groupby(order, key=lambda stripe: (stripe[0], stripe[1], stripe[2] // filters)):
        stop = start + len(list(run))
        runs.append((*key, start, stop))
        start = stop
    return tuple(runs)
