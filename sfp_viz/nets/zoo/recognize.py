"""Which architecture a state dict belongs to, from its names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sfp_viz.errors import ModelError
from sfp_viz.nets.zoo.build import Shape, layout

# torchvision's networks that own weights are compared with, in this order
_TORCHVISION = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "vgg16",
    "vgg16_bn",
    "vgg11",
    "vgg11_bn",
    "vgg19",
    "vgg19_bn",
    "alexnet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "densenet121",
    "googlenet",
    "squeezenet1_0",
    "squeezenet1_1",
    "efficientnet_b0",
    "convnext_tiny",
    "regnet_y_400mf",
)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """The images of an architecture: (channels, height, width), mean and std a channel (empty
    where unknown), and the data it is known to be trained on, or ''."""

    input_shape: tuple[int, int, int]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    data: str = ""


@dataclass(frozen=True)
class Guess:
    """An architecture with arguments, and how a state differs from it: names of state entries."""

    architecture: str
    arguments: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    fitting: int = 0

    @property
    def likeness(self) -> float:
        """Entries that fit, as a share 0..1 of those that either side has."""
        return self.fitting / max(1, self.fitting + self.apart)

    @property
    def apart(self) -> int:
        """How many entries differ; 0 when the state fits exactly."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def difference(self) -> str:
        """A few of the names that differ, as a phrase."""
        kinds = [("missing", self.missing), ("unexpected", self.unexpected)]
        kinds.append(("of another shape", self.reshaped))
        return "; ".join(f"{kind}: {_few(names)}" for kind, names in kinds if names)


def compare(shapes: Mapping[str, Shape], architecture: str, arguments: Mapping[str, Any]) -> Guess:
    """How a state differs from an architecture.

    Args:
        shapes: Shapes of the state's entries, by name.
        architecture: See ``architectures.build``.
        arguments: See ``architectures.build``.

    Raises:
        ModelError: The architecture cannot be built.
    """
    expected = {n: tuple(t.shape) for n, t in layout(architecture, arguments).state_dict().items()}
    # they only count batches, and torch before 0.4.1 did not write them
    missing = [n for n in expected if n not in shapes and not n.endswith("num_batches_tracked")]
    return Guess(
        architecture,
        dict(arguments),
        tuple(missing),
        tuple(name for name in shapes if name not in expected),
        tuple(name for name in expected if name in shapes and shapes[name] != expected[name]),
        sum(shapes.get(name) == shape for name, shape in expected.items()),
    )


def recognize(shapes: Mapping[str, Shape]) -> Guess:
    """The architecture nearest to a state dict's names and shapes; exact when ``apart`` is 0."""
    nearest = None
    for architecture, arguments in _candidates(shapes):
        try:
            guess = compare(shapes, architecture, arguments)
        except ModelError:  # a count read from a stranger's names was absurd: not this one
            continue
        if guess.apart == 0:
            return guess
        if nearest is None or guess.likeness > nearest.likeness:
            nearest = guess
    if nearest is None:
        raise ModelError(
            "No known architecture has weights of these sizes. Name the architecture that they "
            "belong to."
        )
    return nearest


def arguments_for(shapes: Mapping[str, Shape], architecture: str) -> Iterator[dict[str, Any]]:
    """Arguments under which an architecture may have these shapes, likeliest first.

    Args:
        shapes: Shapes of a state's entries, by name.
        architecture: See ``architectures.build``.
    """
    if architecture in _OURS:
        yield _OURS[architecture](shapes)
        return
    heads = [shape[0] for name, shape in shapes.items() if len(shape) == 2 and ".weight" in name]
    if heads:
        yield {"num_classes": heads[-1]}
    yield {}


def preprocessing(guess: Guess, shapes: Mapping[str, Shape]) -> Preprocessing:
    """What goes with the architecture of a state: input shape, normalization, data.

    Args:
        guess: The architecture and its arguments.
        shapes: Shapes of the state's entries, by name.
    """
    channels = next((shape[1] for shape in shapes.values() if len(shape) == 4), 3)
    mean, std = (_IMAGENET_MEAN, _IMAGENET_STD) if channels == 3 else ((), ())
    if guess.architecture in ("lenet5", "lenet_caffe"):
        side = int(guess.arguments.get("side", 8 if guess.architecture == "lenet5" else 28))
        return Preprocessing((channels, side, side), mean, std)
    if guess.architecture in _OURS:
        side = 28 if channels == 1 else 32
        padded = guess.arguments.get("shortcut") == "pad"  # only the published ones are
        is_published = padded and channels == 3 and guess.arguments.get("classes") == 10
        return Preprocessing((channels, side, side), mean, std, "cifar10" if is_published else "")
    return published(guess.architecture)


def published(architecture: str) -> Preprocessing:
    """What torchvision or timm state for an architecture; 224 pixels where they state nothing."""
    source, _, name = architecture.rpartition(":")
    if source == "timm":
        from timm.models import get_pretrained_cfg

        if (entry := get_pretrained_cfg(name)) is not None:
            channels, height, width = entry.input_size
            return Preprocessing((channels, height, width), tuple(entry.mean), tuple(entry.std))
    elif source == "torchvision":
        from torchvision import models

        side = models.get_model_weights(name)["DEFAULT"].transforms().crop_size[0]
        return Preprocessing((3, side, side), _IMAGENET_MEAN, _IMAGENET_STD)
    return Preprocessing((3, 224, 224), _IMAGENET_MEAN, _IMAGENET_STD)


def _candidates(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, dict[str, Any]]]:
    for architecture in _OURS:
        for arguments in arguments_for(shapes, architecture):
            yield architecture, arguments
    for name in _TORCHVISION:
        yield f"torchvision:{name}", next(arguments_for(shapes, f"torchvision:{name}"))


def _cifar_resnet(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """6n + 2 layers: n counted in stage 1; without shortcut weights it is the 'pad' kind."""
    blocks = {m[1] for name in shapes if (m := re.match(r"layer1\.(\d+)\.", name))}
    projection = any(".shortcut." in name for name in shapes)
    return {
        "blocks": min(len(blocks), 200) or 1,
        "shortcut": "projection" if projection else "pad",
        "channels": _ins(shapes, "conv1.weight", 3),
        "classes": _outs(shapes, "linear.weight"),
    }


def _lenet5(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    columns = _ins(shapes, "fc1.weight", 48 * 4)
    side = 4 * round((columns / 48) ** 0.5)
    channels = _ins(shapes, "conv1.weight", 1)
    return {"channels": channels, "side": side or 8, "classes": _outs(shapes, "fc2.weight")}


def _lenet_caffe(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    columns = _ins(shapes, "fc1.weight", 50 * 16)
    side = 4 * round((columns / 50) ** 0.5) + 12  # the smallest image with such maps
    channels = _ins(shapes, "conv1.weight", 1)
    return {"channels": channels, "side": side, "classes": _outs(shapes, "fc2.weight")}


def _heads(first: str, last: str, channels: int) -> Callable[[Mapping[str, Shape]], dict[str, Any]]:
    """Arguments read off the ``first`` convolution (``channels`` without one) and the ``last``
    linear layer."""
    return lambda shapes: {
        "channels": _ins(shapes, first, channels), "classes": _outs(shapes, last)
    }  # fmt: skip


def _outs(shapes: Mapping[str, Shape], name: str) -> int:
    shape = shapes.get(name, ())
    return shape[0] if len(shape) == 2 else 10


def _ins(shapes: Mapping[str, Shape], name: str, otherwise: int) -> int:
    shape = shapes.get(name, ())
    return shape[1] if len(shape) >= 2 else otherwise


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(name[:80] for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


_OURS: Mapping[str, Callable[[Mapping[str, Shape]], dict[str, Any]]] = {
    "cifar_resnet": _cifar_resnet,
    "lenet5": _lenet5,
    "slim_vgg11": _heads("features.0.weight", "classifier.weight", 1),
    "lenet_caffe": _lenet_caffe,
    "cifar_alexnet": _heads("features.0.weight", "classifier.6.weight", 3),
    "cifar_vgg16": _heads("features.0.weight", "classifier.weight", 3),
    "cifar_googlenet": _heads("stem.0.weight", "linear.weight", 3),
}
