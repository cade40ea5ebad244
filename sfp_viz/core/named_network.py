"""A network that opens by name, and what its library states of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["classification", "segmentation", "detection"]


@dataclass(frozen=True)
class PublishedWeights:
    """Trained weights of a network.

    Args:
        name: As torchvision or timm call them: 'IMAGENET1K_V1', 'a1_in1k'.
        url: Where they are.
        accuracy: As published with the library, in words; '' where it states none.
        license: As stated; '' where it is not.
        megabytes: Of the file; 0 where it is not stated.
    """

    name: str
    url: str
    accuracy: str = ""
    license: str = ""
    megabytes: float = 0.0


@dataclass(frozen=True)
class NamedNetwork:
    """A network that opens by name.

    Args:
        name: 'torchvision:resnet18', 'timm:resnet50d'.
        task: What it is for.
        params: Its parameters as published; 0 where the library does not state them.
        input_shape: Channels, height and width of the images that its weights were trained on.
        weights: The sets of trained weights that there are, the library's default first.
    """

    name: str
    task: Task
    params: int
    input_shape: tuple[int, int, int]
    weights: tuple[PublishedWeights, ...] = ()
