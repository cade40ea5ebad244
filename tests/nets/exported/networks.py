"""Networks of people's own code, and .pt2 files of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Gated(nn.Module):
    """Squeeze and excite as people write it: sizes read off the tensors, then views of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24)
        self.squeeze, self.expand = nn.Linear(24, 8), nn.Linear(8, 24)
        self.last, self.drop = nn.Conv2d(24, 12, 3, padding=1), nn.Dropout(0.4)
        self.fc = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.norm(self.stem(images)))
        count, channels, _, _ = maps.size()
        gate = F.adaptive_avg_pool2d(maps, 1).view(count, channels)
        gate = torch.sigmoid(self.expand(F.relu(self.squeeze(gate))))
        maps = maps * gate.view(count, channels, 1, 1).expand_as(maps)
        maps = F.relu(self.last(maps))
        return self.fc(self.drop(maps.mean((2, 3)).view(count, -1)))


class Shuffled(nn.Module):
    """Channels shuffled between two groups."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 3, padding=1)
        self.paired = nn.Conv2d(24, 24, 3, padding=1, groups=2)
        self.last, self.fc = nn.Conv2d(24, 20, 3), nn.Linear(20, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.stem(images))
        count, channels, height, width = maps.shape
        maps = maps.view(count, 2, channels // 2, height, width).transpose(1, 2)
        maps = self.paired(maps.reshape(count, channels, height, width))
        return self.fc(F.relu(self.last(maps)).mean((2, 3)))


class Layers(nn.Module):
    """One of every kind of layer that comes back as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding="same", bias=False)
        self.groups, self.slope = nn.GroupNorm(4, 16), nn.PReLU(16)
        self.up = nn.ConvTranspose2d(16, 12, 2, stride=2)
        self.instance = nn.InstanceNorm2d(12, affine=True)
        self.layer, self.drop = nn.LayerNorm([12, 16, 16]), nn.Dropout2d(0.3)
        self.deep, self.deep_norm = nn.Conv3d(1, 2, (3, 1, 1), padding=(1, 0, 0)), nn.BatchNorm3d(2)
        self.line, self.line_norm = nn.Conv1d(24, 10, 3, padding=1), nn.BatchNorm1d(10)
        self.fc = nn.Linear(10, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.drop(self.slope(self.groups(self.conv(images))))
        maps = self.layer(self.instance(self.up(maps)))
        maps = self.deep_norm(self.deep(maps.unsqueeze(1))).flatten(1, 2).flatten(2)
        return self.fc(self.line_norm(self.line(maps)).mean(-1))


class Shared(nn.Module):
    """One convolution called twice, a norm of its own for each call, and an unused head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 18, 3), nn.Conv2d(18, 18, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(18), nn.BatchNorm2d(18)
        self.last = nn.Conv2d(18, 20, 3)
        self.fc, self.unused = nn.Linear(20, 5), nn.Linear(20, 7)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.first(self.block(F.relu(self.stem(images)))))
        maps = F.relu(self.last(self.second(self.block(maps))))
        return self.fc(maps.mean((2, 3)))


def drawn(kind: type[nn.Module], *, seed: int = 0) -> nn.Module:
    """The network with weights and statistics drawn at random, in evaluation mode."""
    torch.manual_seed(seed)
    module = kind().eval()
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand_like(tensor))
        elif name.endswith("running_mean"):
            tensor.copy_(torch.randn_like(tensor) / 4)
        elif "norm" in name and name.endswith("weight"):
            tensor.copy_(0.5 + torch.rand_like(tensor))
    return module


def write_pt2(
    module: nn.Module, path: Path, *, side: int = 8, batch: int | None = None, channels: int = 3
) -> Path:
    """The three lines that the app shows, or a file for ``batch`` images alone."""
    shapes = None if batch else ({0: torch.export.Dim("batch")},)
    images = torch.zeros(batch or 2, channels, side, side)
    torch.export.save(torch.export.export(module, (images,), dynamic_shapes=shapes), path)
    return path
