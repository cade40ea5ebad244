"""Residual networks of every usual form, described by arguments: the form that people's CIFAR
ResNets, PreAct ResNets and Wide ResNets take."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """One block: convolutions with norms, and a shortcut around them.

    Args:
        ins: Channels of the input.
        widths: Output channels of each convolution; two (basic) or three (bottleneck).
        stride: Step of the block in pixels.
        groups: Of the window convolution of a bottleneck.
        preact: Norm and ReLU stand before each convolution (He et al. 2016b).
        projection: 'none', 'conv' or 'conv+norm': what stands in the shortcut.
        pad: Where a shortcut without weights puts the zeros of new channels: 'centre' or 'end'.
        bias: The convolutions have biases.
        norms: The convolutions have norms.
        raw_shortcut: A projection reads the block's input, and the last convolution has the
            stride; otherwise, with ``preact``, it reads what the first norm gives.
    """

    def __init__(
        self, ins: int, widths: Sequence[int], stride: int, *, groups: int, preact: bool,
        projection: str, pad: str, bias: bool, projection_bias: bool, norms: bool,
        raw_shortcut: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.count, self.preact, self.stride = len(widths), preact, stride
        self.raw_shortcut, self.pad = raw_shortcut, pad
        self.extra = widths[-1] - ins  # not read off the maps: a pruned block has fewer
        strided = 1 if len(widths) == 3 or raw_shortcut else 0
        before = ins
        for index, width in enumerate(widths):
            wide = 3 if len(widths) == 2 or index == 1 else 1
            conv = nn.Conv2d(
                before, width, wide, stride=stride if index == strided else 1, padding=wide // 2,
                groups=groups if len(widths) == 3 and index == 1 else 1, bias=bias,
            )  # fmt: skip
            norm = nn.BatchNorm2d(before if preact else width) if norms else nn.Identity()
            steps = [(f"conv{index + 1}", conv), (f"bn{index + 1}", norm)]
            for name, step in reversed(steps) if preact else steps:  # in order of execution
                self.add_module(name, step)
            before = width
        if projection != "none":
            conv = nn.Conv2d(ins, before, 1, stride=stride, bias=projection_bias)
            norm = [nn.BatchNorm2d(before)] if projection == "conv+norm" else []
            self.downsample = nn.Sequential(conv, *norm)
        else:
            self.downsample = None

    def forward(self, maps: Tensor) -> Tensor:
        out, first = maps, maps
        for index in range(1, self.count + 1):
            conv, norm = getattr(self, f"conv{index}"), getattr(self, f"bn{index}")
            if self.preact:
                out = F.relu(norm(out))
                first = out if index == 1 else first
                out = conv(out)
            else:
                out = norm(conv(out))
                out = F.relu(out) if index < self.count else out
        if self.downsample is None:
            return self._joined(out, self._padded(maps))
        reads_norm = self.preact and not self.raw_shortcut
        return self._joined(out, self.downsample(first if reads_norm else maps))

    def _joined(self, out: Tensor, aside: Tensor) -> Tensor:
        return out + aside if self.preact else F.relu(out + aside)

    def _padded(self, maps: Tensor) -> Tensor:
        """Option A of He et al. 2016: subsample, and zeros for the new channels."""
        step, extra = self.stride, self.extra
        if step > 1:
            maps = maps[:, :, ::step, ::step]
        if not extra:
            return maps
        before = extra // 2 if self.pad == "centre" else 0
        return F.pad(maps, (0, 0, 0, 0, before, extra - before))


class ResidualNetwork(nn.Module):
    """A residual network described by its stages.

    Args:
        widths: Output channels of each stage.
        blocks: Blocks of each stage.
        inner: Channels inside a stage's bottlenecks; empty for basic blocks.
        stem: Filters of the first convolution.
        stem_window: Its window in pixels; 7 has stride 2 and a pooling behind it (ImageNet).
        strides: Step of each stage in pixels; empty: 1, and 2 for all others.
        preact: Norm and ReLU stand before each convolution.
        projection: 'none', 'conv' or 'conv+norm': the shortcut where the width changes.
        first_projection: The first block has a projection even where the width does not change.
        final_norm: A norm and a ReLU stand before the pooling.
        pad, bias, projection_bias, norms, raw_shortcut, groups: See ``ResidualBlock``.
    """

    def __init__(
        self, *, widths: Sequence[int], blocks: Sequence[int], inner: Sequence[int] = (),
        stem: int = 16, stem_window: int = 3, stem_norm: bool = True, stem_bias: bool = False,
        strides: Sequence[int] = (), groups: int = 1, preact: bool = False,
        projection: str = "conv+norm", first_projection: bool = False, final_norm: bool = False,
        pad: str = "centre", bias: bool = False, projection_bias: bool = False,
        norms: bool = True, raw_shortcut: bool = False, head_bias: bool = True,
        channels: int = 3, classes: int = 10,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 1 <= len(widths) <= 8 or len(widths) != len(blocks) or sum(blocks) > 600:
            raise ValueError("widths and blocks are one number a stage, of up to 8 stages")
        if inner and len(inner) != len(widths):
            raise ValueError("inner is one number a stage")
        steps = strides or (1, *(2,) * (len(widths) - 1))
        self.is_large = stem_window > 5
        self.conv1 = nn.Conv2d(
            channels, stem, stem_window, stride=2 if self.is_large else 1,
            padding=stem_window // 2, bias=stem_bias,
        )  # fmt: skip
        self.bn1 = nn.BatchNorm2d(stem) if stem_norm else None
        self.stages = len(widths)
        before = stem
        for index, (width, count, step) in enumerate(zip(widths, blocks, steps, strict=True)):
            stage = nn.Sequential()
            for number in range(count):
                changes = before != width or (number == 0 and step != 1)
                forced = first_projection and index == 0 and number == 0
                stage.append(
                    ResidualBlock(
                        before,
                        (inner[index], inner[index], width) if inner else (width, width),
                        step if number == 0 else 1,
                        groups=groups,
                        preact=preact,
                        projection=projection if changes or forced else "none",
                        pad=pad,
                        bias=bias,
                        projection_bias=projection_bias,
                        norms=norms,
                        raw_shortcut=raw_shortcut,
                    )
                )
                before = width
            self.add_module(f"layer{index + 1}", stage)
        self.preact = preact
        self.final_norm = nn.BatchNorm2d(before) if final_norm else None
        self.fc = nn.Linear(before, classes, bias=head_bias)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv1(images)
        if self.bn1 is not None:
            maps = self.bn1(maps)
        if not self.preact or self.bn1 is not None:
            maps = F.relu(maps)
        if self.is_large:
            maps = F.max_pool2d(maps, 3, stride=2, padding=1)
        for index in range(self.stages):
            maps = getattr(self, f"layer{index + 1}")(maps)
        if self.final_norm is not None:
            maps = F.relu(self.final_norm(maps))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(maps, 1), 1))


class ResNet9(nn.Module):
    """The ResNet-9 of DAWNBench (D. Page 2018) and of many a course, for 32 x 32 pixels: four
    convolutions, and two pairs of them with a shortcut around.

    Args:
        width: Filters of the first convolution; the last have eight times as many.
        bias: The convolutions have biases.
        head_bias: The linear layer has biases.
        channels: Of the images.
        classes: Of the answer.
    """

    def __init__(
        self, *, width: int = 64, bias: bool = True, head_bias: bool = True, channels: int = 3,
        classes: int = 10,
    ) -> None:  # fmt: skip
        super().__init__()

        def block(ins: int, outs: int) -> nn.Sequential:
            conv = nn.Conv2d(ins, outs, 3, padding=1, bias=bias)
            return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU())

        self.conv1, self.conv2 = block(channels, width), block(width, 2 * width)
        self.res1 = nn.Sequential(*(block(2 * width, 2 * width) for _ in range(2)))
        self.conv3, self.conv4 = block(2 * width, 4 * width), block(4 * width, 8 * width)
        self.res2 = nn.Sequential(*(block(8 * width, 8 * width) for _ in range(2)))
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(8 * width, classes, bias=head_bias)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(self.conv2(self.conv1(images)))
        maps = self.res1(maps) + maps
        maps = self.pool(self.conv4(self.pool(self.conv3(maps))))
        maps = self.res2(maps) + maps
        return self.classifier(torch.flatten(F.adaptive_max_pool2d(maps, 1), 1))
