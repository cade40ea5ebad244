"""Architectures that a file can name: literal entries, torchvision's and timm's names.

An entry is a name and the function that builds it. A card or a safetensors header holds the
name and the arguments, never code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.module import ARCHITECTURE as EXPORTED
from sfp_viz.nets.exported.module import build_exported
from sfp_viz.nets.zoo.names import torchvision_tasks
from sfp_viz.nets.zoo.plain_network import PlainNetwork
from sfp_viz.nets.zoo.published_architectures import (
    CifarAlexNet,
    CifarGoogLeNet,
    CifarVgg16,
    LeNetCaffe,
)
from sfp_viz.nets.zoo.residual_network import ResidualNetwork, ResNet9


class LeNet5(nn.Module):
    """Two convolutions and two linear layers, after LeCun et al. 1998, for small images.

    ``channels`` are the image's channels, ``side`` its height and width in pixels.
    """

    def __init__(self, *, channels: int = 1, side: int = 8, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 20, 3, padding=1)
        self.conv2 = nn.Conv2d(20, 48, 3, padding=1)
        self.fc1 = nn.Linear(48 * (side // 4) ** 2, 64)
        self.fc2 = nn.Linear(64, classes)
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(F.relu(self.conv1(images)))
        maps = self.pool(F.relu(self.conv2(maps)))
        return self.fc2(F.relu(self.fc1(maps.flatten(1))))


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: 'projection' (1x1 convolution) or 'pad' (option A)."""

    def __init__(self, ins: int, outs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.stride = stride
        self.pad = (outs - ins) // 2 if shortcut == "pad" else 0
        self.shortcut = nn.Sequential()
        if shortcut == "projection" and (stride != 1 or ins != outs):
            self.shortcut = nn.Sequential(
                nn.Conv2d(ins, outs, 1, stride=stride, bias=False), nn.BatchNorm2d(outs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(maps)))
        out = self.bn2(self.conv2(out))
        aside = self.shortcut(maps)
        if self.pad:  # option A of He et al. 2016: subsample, and zeros for the new channels
            step = self.stride
            aside = F.pad(aside[:, :, ::step, ::step], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(out + aside)


class CifarResNet(nn.Module):
    """The CIFAR ResNets of He et al. 2016, section 4.2: 6n + 2 layers, 16, 32 and 64 filters.

    ``blocks`` is n; ``shortcut`` is 'projection' (option B) or 'pad' (option A, as published).
    """

    def __init__(
        self, *, blocks: int, shortcut: str = "projection", channels: int = 3, classes: int = 10
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, 1, shortcut)
        self.layer2 = self._stage(16, 32, blocks, 2, shortcut)
        self.layer3 = self._stage(32, 64, blocks, 2, shortcut)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def _stage(ins: int, outs: int, blocks: int, stride: int, shortcut: str) -> nn.Sequential:
        first = _Block(ins, outs, stride, shortcut)
        return nn.Sequential(first, *(_Block(outs, outs, 1, shortcut) for _ in range(blocks - 1)))

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        return self.linear(F.adaptive_avg_pool2d(maps, 1).flatten(1))


class SlimVgg11(nn.Module):
    """VGG-11 with BatchNorm (Simonyan & Zisserman 2015, column A), slimmed, one linear layer."""

    def __init__(self, *, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        ins = channels
        for outs in (32, 0, 64, 0, 96, 96, 0, 128, 128, 128, 128):
            if outs == 0:
                steps.append(nn.MaxPool2d(2))
                continue
            steps += [nn.Conv2d(ins, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs)]
            steps.append(nn.ReLU())
            ins = outs
        self.features = nn.Sequential(*steps)
        self.classifier = nn.Linear(ins, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(F.adaptive_avg_pool2d(self.features(images), 1).flatten(1))


ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "lenet5": LeNet5,
    "cifar_resnet": CifarResNet,
    "slim_vgg11": SlimVgg11,
    "lenet_caffe": LeNetCaffe,
    "cifar_alexnet": CifarAlexNet,
    "cifar_vgg16": CifarVgg16,
    "cifar_googlenet": CifarGoogLeNet,
    "residual_network": ResidualNetwork,
    "plain_network": PlainNetwork,
    "resnet9": ResNet9,
}


def build(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build an untrained module from the name and arguments of a card; no weights are downloaded.

    Args:
        architecture: A key of ``ARCHITECTURES``, ``torchvision:<name>``, ``timm:<name>``, or
            'exported'.
        arguments: Keyword arguments of its constructor; of 'exported', the program of a .pt2 file.

    Raises:
        ModelError: The name or an argument is unknown.
    """
    if architecture == EXPORTED:
        return build_exported(arguments)
    source, _, name = architecture.rpartition(":")
    try:
        if source == "torchvision":
            return _torchvision(name, arguments)
        if source == "timm":
            import timm  # 7 s to import: only for those who ask for it

            return timm.create_model(name, pretrained=False, **arguments)
        if not source and name in ARCHITECTURES:
            return ARCHITECTURES[name](**arguments)
    except (TypeError, ValueError, RuntimeError, KeyError) as problem:
        raise ModelError(
            f"The architecture '{architecture}' cannot be built with {dict(arguments)}: {problem}. "
            "Correct its arguments."
        ) from problem
    names = ", ".join(sorted(ARCHITECTURES))
    raise ModelError(
        f"There is no architecture '{architecture}'. Give one of {names}, torchvision:<name> or "
        "timm:<name>."
    )


def _torchvision(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    from torchvision import models  # 4 s to import: only for those who ask for it

    if name not in torchvision_tasks():
        raise ModelError(
            f"torchvision has no network called '{name}' here. It has resnet18, vgg16_bn, "
            "fcn_resnet50 and others: 'sfp-viz models find PART' lists them."
        )
    options = torchvision_options(name, arguments)
    state = torch.get_rng_state()  # building draws random weights: leave the caller's stream alone
    try:
        return models.get_model(name, **options)
    finally:
        torch.set_rng_state(state)


def torchvision_options(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All keyword arguments with which a network of torchvision is built.

    Args:
        name: As in ``torchvision.models.get_model``.
        arguments: Those of the card.
    """
    # The tracer never sees the auxiliary heads, so training would fail with them.
    has_heads = name in ("googlenet", "inception_v3")
    defaults: dict[str, Any] = {"aux_logits": False, "init_weights": False} if has_heads else {}
    if torchvision_tasks().get(name, "classification") != "classification":
        defaults["weights_backbone"] = None  # else it would be fetched
    return {"weights": None, **defaults, **arguments}
