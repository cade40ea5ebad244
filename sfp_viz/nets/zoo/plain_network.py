"""Chains of convolutions and linear layers, described by one word list a layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_MOST_WIDTH = 100_000  # filters or units of one layer


class PlainNetwork(nn.Module):
    """Convolutions, one behind the other, and then linear layers: VGG, LeNet and small CNNs.

    Args:
        layers: One text a layer, in order. 'conv 64 3 1' is a convolution with 64 filters, a
            window of 3 pixels and 1 pixel of padding, 'linear 10' a linear layer. Further words:
            'nobias', 'norm', 'relu', 'pool' (maximum over 2 x 2 pixels) in the order in which
            they happen, and 'average' (over all pixels).
        channels: Of the images.
        pixels: Positions of one channel that the first linear layer reads.
    """

    def __init__(self, *, layers: Sequence[str], channels: int = 3, pixels: int = 1) -> None:
        super().__init__()
        self.features, self.classifier = nn.Sequential(), nn.Sequential()
        before, in_linear = channels, False
        for text in layers:
            kind, *words = str(text).split()
            outs = int(words[0])
            if not 0 < outs <= _MOST_WIDTH:
                raise ValueError(f"'{text}' has an absurd width")
            bias = "nobias" not in words
            if kind == "conv":
                window, padding = int(words[1]), int(words[2])
                if not (0 < window < 64 and 0 <= padding < 64):
                    raise ValueError(f"'{text}' has an absurd window or padding")
                self.features.append(nn.Conv2d(before, outs, window, padding=padding, bias=bias))
            elif kind == "linear":
                ins = before if in_linear else before * pixels
                self.classifier.append(nn.Linear(ins, outs, bias=bias))
                in_linear = True
            else:
                raise ValueError(f"'{kind}' is no layer")
            for word in words:
                for step in _step(word, outs, in_linear):
                    (self.classifier if in_linear else self.features).append(step)
            before = outs

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(images), 1))


def _step(word: str, width: int, in_linear: bool) -> tuple[nn.Module, ...]:
    if word == "norm":
        return (nn.BatchNorm1d(width) if in_linear else nn.BatchNorm2d(width),)
    if word == "relu":
        return (nn.ReLU(),)
    if word == "pool":
        return (nn.MaxPool2d(2),)
    return (nn.AdaptiveAvgPool2d(1),) if word == "average" else ()
