"""Four tiny networks, one for each way that channels can be tied, and random values for any."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _unit(ins: int, outs: int, *, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(ins, outs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs))


class Plain(nn.Module):
    """Two convolutions with biases, one with BatchNorm, and a linear layer on flattened maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 20, 3, padding=1)
        self.conv2 = nn.Conv2d(20, 12, 3, stride=2, padding=1)
        self.conv3, self.bn3 = nn.Conv2d(12, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.conv2(F.relu(self.conv1(images))))
        maps = F.max_pool2d(F.relu(self.bn3(self.conv3(maps))), 2)
        return self.fc(maps.flatten(1))


class Residual(nn.Module):
    """A stem of 20 filters, one block that adds to it, and one with a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _unit(3, 20)
        self.inner, self.outer = _unit(20, 10), _unit(10, 20)
        self.down, self.side = _unit(20, 24, stride=2), _unit(20, 24, size=1, stride=2)
        self.fc = nn.Linear(24, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.stem(images))
        maps = F.relu(maps + self.outer(F.relu(self.inner(maps))))
        maps = F.relu(self.down(maps) + self.side(maps))
        return self.fc(maps.mean((2, 3)))


class Depthwise(nn.Module):
    """A depthwise convolution, a gate (squeeze and excite), and a convolution of two groups."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depth = _unit(3, 20), _unit(20, 20, groups=20)
        self.squeeze, self.expand = nn.Conv2d(20, 6, 1), nn.Conv2d(6, 20, 1)
        self.point, self.paired = _unit(20, 16, size=1), _unit(16, 12, groups=2)
        self.fc = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.depth(F.relu6(self.stem(images))))
        gate = F.relu(self.squeeze(F.adaptive_avg_pool2d(maps, 1)))
        maps = maps * torch.sigmoid(self.expand(gate))
        maps = F.relu(self.paired(F.relu(self.point(maps))))
        return self.fc(maps.mean((2, 3)))


class Concat(nn.Module):
    """Two branches side by side, one of them fed twice, and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = _unit(3, 20), _unit(20, 6), _unit(20, 10, size=1)
        self.join = nn.Conv2d(22, 12, 3, padding=1)
        self.twice = nn.Conv2d(12, 12, 3, padding=1)
        self.fc = nn.Linear(12 * 16, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.stem(images))
        left, right = F.relu(self.left(maps)), F.relu(self.right(maps))
        maps = F.relu(self.join(torch.cat([left, right, left], 1)))
        maps = F.relu(self.twice(F.relu(self.twice(maps))))
        return self.fc(F.avg_pool2d(maps, 2).flatten(1))


NETS = {"plain": Plain, "residual": Residual, "depthwise": Depthwise, "concat": Concat}


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Norms with uneven statistics, gammas and betas, and biases that are not 0; in place."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.2, generator=source)
                part.running_var.uniform_(0.5, 2, generator=source)
                part.weight.uniform_(0.5, 1.5, generator=source)
            bias = getattr(part, "bias", None)
            if isinstance(bias, nn.Parameter):
                bias.normal_(0, 0.2, generator=source)
            if isinstance(getattr(part, "layer_scale", None), nn.Parameter):
                part.layer_scale.uniform_(0.5, 1.5, generator=source)  # 1e-6 would hide mistakes
    return module.eval()
