"""Networks that the pruning literature reports on, at its sizes, for architectures.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LeNetCaffe(nn.Module):
    """The LeNet of the pruning literature (Caffe's, 20-50-500): 5x5 windows without padding.

    ``side`` is the image's height and width in pixels, 16 or more; 28 gives 2.29M MACs.
    """

    def __init__(self, *, channels: int = 1, side: int = 28, classes: int = 10) -> None:
        super().__init__()
        if side < 16:
            raise ValueError(f"images of {side} pixels are too small; it takes 16 and more")
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * (((side - 4) // 2 - 4) // 2) ** 2, 500)
        self.fc2 = nn.Linear(500, classes)
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(self.conv1(images))
        maps = self.pool(self.conv2(maps))
        return self.fc2(F.relu(self.fc1(maps.flatten(1))))


class CifarAlexNet(nn.Module):
    """AlexNet (Krizhevsky et al. 2012) for images of 32 x 32 pixels: its five convolutions with
    smaller windows, no norms, dropout, and linear layers of 1024 instead of 4096."""

    def __init__(self, *, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 4, 1024), nn.ReLU(),
            nn.Dropout(), nn.Linear(1024, 1024), nn.ReLU(),
            nn.Linear(1024, classes),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        maps = F.adaptive_avg_pool2d(self.features(images), 2)
        return self.classifier(maps.flatten(1))


class CifarVgg16(nn.Module):
    """VGG-16 with BatchNorm (Simonyan & Zisserman 2015, column D) for 32 x 32 pixels, with one
    linear layer, as the pruning literature has it: 313.2M MACs."""

    def __init__(self, *, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        ins = channels
        for outs in (64, 64, 0, 128, 128, 0, *(256,) * 3, 0, *(512,) * 3, 0, *(512,) * 3):
            if outs == 0:
                steps.append(nn.MaxPool2d(2))
                continue
            steps += [nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU()]
            ins = outs
        self.features = nn.Sequential(*steps)
        self.classifier = nn.Linear(ins, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(images), 1).flatten(1))


def _normed(ins: int, outs: int, size: int) -> nn.Sequential:
    conv = nn.Conv2d(ins, outs, size, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU())


class _Inception(nn.Module):
    """Four branches side by side: 1x1, 3x3, 5x5 and a pooled one (Szegedy et al. 2015)."""

    def __init__(self, ins: int, outs: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        conv1, reduce3, conv3, reduce5, conv5, pooled = outs
        self.branch1 = _normed(ins, conv1, 1)
        self.branch2 = nn.Sequential(_normed(ins, reduce3, 1), _normed(reduce3, conv3, 3))
        self.branch3 = nn.Sequential(_normed(ins, reduce5, 1), _normed(reduce5, conv5, 5))
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.branch4 = _normed(ins, pooled, 1)

    def forward(self, maps: Tensor) -> Tensor:
        aside = self.branch4(self.pool(maps))
        return torch.cat([self.branch1(maps), self.branch2(maps), self.branch3(maps), aside], 1)


_INCEPTIONS = (
    (192, (64, 96, 128, 16, 32, 32)), (256, (128, 128, 192, 32, 96, 64)), None,
    (480, (192, 96, 208, 16, 48, 64)), (512, (160, 112, 224, 24, 64, 64)),
    (512, (128, 128, 256, 24, 64, 64)), (512, (112, 144, 288, 32, 64, 64)),
    (528, (256, 160, 320, 32, 128, 128)), None,
    (832, (256, 160, 320, 32, 128, 128)), (832, (384, 192, 384, 48, 128, 128)),
)  # fmt: skip


class CifarGoogLeNet(nn.Module):
    """GoogLeNet (Szegedy et al. 2015) for 32 x 32 pixels: a 3x3 stem of 192, BatchNorm, the nine
    Inception modules with the published widths, no auxiliary heads."""

    def __init__(self, *, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.stem = _normed(channels, 192, 3)
        steps = [
            nn.MaxPool2d(3, stride=2, padding=1) if entry is None else _Inception(*entry)
            for entry in _INCEPTIONS
        ]
        self.inceptions = nn.Sequential(*steps)
        self.linear = nn.Linear(1024, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.inceptions(self.stem(images))
        return self.linear(F.adaptive_avg_pool2d(maps, 1).flatten(1))
