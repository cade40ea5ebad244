"""Which architecture a state dict belongs to, from its names and shapes alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import Any

from sfp_viz.errors import ModelError
from sfp_viz.nets.zoo.build import Shape, layout
from sfp_viz.nets.zoo.by_shape import Ambiguous, describe_layers
from sfp_viz.nets.zoo.names import torchvision_input, torchvision_tasks
from sfp_viz.nets.zoo.preprocessing import IMAGENET
from sfp_viz.nets.zoo.tensor_units import few, matched, units_of

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
_IMAGENET_MEAN, _IMAGENET_STD = IMAGENET


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
    """An architecture with arguments, and how a state differs from it: names of state entries.

    Args:
        keys: Which entry of the architecture each entry of the file is; the same names where it
            is empty.
        left_out: Entries of the file that are no part of the network.
        assumptions: What names and shapes do not tell, as phrases.
        side: Height of the images in pixels, where the layers tell; else 0.
        unknown: What would have to be known to build the network, as a phrase; '' where it can be
            built.
    """

    architecture: str
    arguments: Mapping[str, Any]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()
    fitting: int = 0
    keys: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    side: int = 0
    unknown: str = ""

    @property
    def likeness(self) -> float:
        """Entries that fit, as a share 0..1 of those that either side has."""
        return self.fitting / max(1, self.fitting + self.apart)

    @property
    def apart(self) -> int:
        """How many entries differ; 0 when the state fits exactly."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    @property
    def differences(self) -> tuple[tuple[str, str], ...]:
        """Every entry that differs, with how it does."""
        kinds = [("missing", self.missing), ("unexpected", self.unexpected)]
        kinds.append(("of another shape", self.reshaped))
        return tuple((name, kind) for kind, names in kinds for name in names)

    def difference(self) -> str:
        """A few of the names that differ, as a phrase."""
        parts = [("missing", self.missing), ("unexpected", self.unexpected)]
        parts.append(("of another shape", self.reshaped))
        return "; ".join(f"{word}: {few(names)}" for word, names in parts if names)


def compare(shapes: Mapping[str, Shape], architecture: str, arguments: Mapping[str, Any]) -> Guess:
    """How a state differs from an architecture.

    Args:
        shapes: Shapes of the state's entries, by name.
        architecture: See ``architectures.build``.
        arguments: See ``architectures.build``.

    Raises:
        ModelError: The architecture cannot be built.
    """
    expected = _wanted(architecture, json.dumps(dict(arguments)))
    # written by torch before 0.4.1, and by nobody needed: they count batches
    missing = [n for n in expected if n not in shapes and not n.endswith("num_batches_tracked")]
    return Guess(
        architecture,
        dict(arguments),
        tuple(missing),
        tuple(name for name in shapes if name not in expected),
        tuple(name for name in expected if name in shapes and shapes[name] != expected[name]),
        sum(shapes.get(name) == shape for name, shape in expected.items()),
    )


@lru_cache(maxsize=64)
def _wanted(architecture: str, arguments: str) -> Mapping[str, Shape]:
    """Shape of each entry of an architecture; ``arguments`` are JSON."""
    state = layout(architecture, json.loads(arguments)).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def fit(shapes: Mapping[str, Shape], architecture: str, arguments: Mapping[str, Any]) -> Guess:
    """How ``shapes`` fit an architecture: by their names, else by the order and shapes of layers.

    Entries that share no name with the network are left out, such as the weights of a loss.

    Args:
        shapes: The shape of each entry of a file.
        architecture: The name of an architecture.
        arguments: Those of the architecture.
    """
    guess = compare(shapes, architecture, arguments)
    if not (guess.missing or guess.reshaped):
        own = {_top(name) for name in shapes.keys() - set(guess.unexpected)}
        if not own & {_top(name) for name in guess.unexpected}:
            return replace(guess, unexpected=(), left_out=guess.unexpected)
    wanted = _wanted(architecture, json.dumps(dict(arguments)))
    units, strange = units_of(shapes)
    keys = matched(units, units_of(wanted)[0])
    own = {_top(unit.owner) for unit in units}
    if keys is None or own & {_top(name) for name in strange if "." in name}:
        return guess
    return Guess(architecture, dict(arguments), fitting=len(keys), keys=keys, left_out=strange)


def _top(name: str) -> str:
    return name.partition(".")[0]


def recognize(shapes: Mapping[str, Shape], side: int = 0) -> Guess:
    """The architecture of a state dict: of all of it, else of the largest part that is a network.

    Names decide where they fit one exactly, else the order and shapes of the layers (``keys``
    says which is which). ``apart`` is 0 where it fits; else it is the nearest by names, with what
    is ``unknown`` where the layers are those of several networks.

    Args:
        shapes: Shape of each entry, in the file's order.
        side: Height of the images in pixels, where it is known; else 0.

    Raises:
        ModelError: No architecture known here has such sizes.
    """
    nearest = None
    unknown = ""
    for prefix, part in _parts(shapes):
        rest = tuple(n for n in shapes if n.removeprefix(prefix) not in part or n == prefix)
        for guess in _guesses(part, side):
            if guess.apart == 0 and not guess.unknown:
                return _of_whole(guess, part, prefix, rest)
            unknown = unknown or guess.unknown
            if guess.architecture and (nearest is None or guess.likeness > nearest.likeness):
                nearest = guess
    if nearest is None:
        raise ModelError(
            "No known architecture has weights of these sizes. Name the architecture that they "
            "belong to."
        )
    return replace(nearest, unknown=unknown)


def _of_whole(guess: Guess, part: Mapping[str, Shape], prefix: str, rest: tuple[str, ...]) -> Guess:
    """A guess about a part of a file as one about the file."""
    keys = guess.keys or ({name: name for name in part} if prefix or rest else {})
    inside = set(guess.left_out)
    keys = {f"{prefix}{name}": key for name, key in keys.items() if name not in inside}
    left = (*(f"{prefix}{name}" for name in guess.left_out), *rest)
    return replace(guess, keys=keys, left_out=tuple(n for n in left if not n.endswith(_COUNT)))


_COUNT = "num_batches_tracked"
# weights beside the network: a teacher, a running average, what self-supervision compares with
_ASIDE = re.compile(r"ema|teacher|momentum|target|average|swa|avg|_k$|_key|copy|old", re.IGNORECASE)
_LOSS = re.compile(r"crit|loss|proj|aux|metric|teacher|ema|head_k|queue|predictor", re.IGNORECASE)
_MOST_PARTS = 12


def _parts(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, dict[str, Shape]]]:
    """The entries of a file, then parts of them that may be a network by themselves, with the
    prefix that is taken off their names: the largest first, copies last."""
    yield "", dict(shapes)
    for top in _tops_without_convolutions(shapes):
        yield "", {name: shape for name, shape in shapes.items() if _top(name) != top}
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            words = name.split(".")[:-1]
            for depth in range(1, min(len(words), 4) + 1):
                prefix = ".".join(words[:depth]) + "."
                sizes[prefix] = sizes.get(prefix, 0) + prod(shape)
    order = sorted(sizes, key=lambda p: (bool(_ASIDE.search(p)), -sizes[p], len(p)))
    for prefix in order[:_MOST_PARTS]:
        part = {n.removeprefix(prefix): s for n, s in shapes.items() if n.startswith(prefix)}
        if sum(len(shape) == 4 for shape in part.values()) > 1:
            yield prefix, part


def _tops_without_convolutions(shapes: Mapping[str, Shape]) -> list[str]:
    """First words of names that hold linear layers and norms alone and are perhaps no part of the
    network; those whose names say so first. One that reads another of them is part of it."""
    convs = {_top(name) for name, shape in shapes.items() if len(shape) == 4}
    tops: dict[str, list[Shape]] = {}
    for name, shape in shapes.items():
        if _top(name) not in convs:
            tops.setdefault(_top(name), []).append(shape)
    ins = {top: {s[1] for s in part if len(s) == 2} for top, part in tops.items()}
    outs = {top: {s[0] for s in part if len(s) == 2} for top, part in tops.items()}
    free = [
        top for top in tops
        if len(tops) > 1 and not top.isdecimal() and (outs[top] or _LOSS.search(top))
        and not any(ins[top] & outs[other] for other in tops if other != top)
    ]  # fmt: skip
    return sorted(free, key=lambda top: not _LOSS.search(top))[:4]


def _guesses(shapes: Mapping[str, Shape], side: int) -> Iterator[Guess]:
    """Architectures that the entries may be of: exact ones by name, by layers, the nearest."""
    for by_name in (True, False):
        for architecture, arguments in _candidates(shapes):
            try:
                check = compare if by_name else fit
                yield check(shapes, architecture, arguments)
            except ModelError:  # a count read from a stranger's names was absurd: not this one
                continue
    described = describe_layers(shapes, side)
    if isinstance(described, Ambiguous):
        yield Guess("", {}, fitting=0, unknown=described.unknown)
    elif described is not None:
        try:
            guess = fit(shapes, described.architecture, described.arguments)
        except ModelError:
            return
        yield replace(guess, assumptions=described.assumptions, side=described.side)


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


def usual_preprocessing(guess: Guess, shapes: Mapping[str, Shape]) -> Preprocessing:
    """What goes with the architecture of a state: input shape, normalization, data.

    Args:
        guess: The architecture and its arguments.
        shapes: Shapes of the network's entries, by name.
    """
    channels = next((shape[1] for shape in shapes.values() if len(shape) == 4), 3)
    mean, std = (_IMAGENET_MEAN, _IMAGENET_STD) if channels == 3 else ((), ())
    if guess.architecture in ("lenet5", "lenet_caffe"):
        side = int(guess.arguments.get("side", 8 if guess.architecture == "lenet5" else 28))
        return Preprocessing((channels, side, side), mean, std)
    if guess.architecture in ("residual_network", "plain_network", "resnet9"):
        is_large = int(guess.arguments.get("stem_window", 3)) > 5
        tiny = 64 if guess.arguments.get("classes") == 200 else 32  # Tiny ImageNet, or CIFAR
        side = guess.side or (224 if is_large else 28 if channels == 1 else tiny)
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
        if torchvision_tasks()[name] == "detection":  # its own first step normalizes and resizes
            return Preprocessing(torchvision_input(name), (0.0,) * 3, (1.0,) * 3)
        return Preprocessing(torchvision_input(name), _IMAGENET_MEAN, _IMAGENET_STD)
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


_OURS: Mapping[str, Callable[[Mapping[str, Shape]], dict[str, Any]]] = {
    "cifar_resnet": _cifar_resnet,
    "lenet5": _lenet5,
    "slim_vgg11": _heads("features.0.weight", "classifier.weight", 1),
    "lenet_caffe": _lenet_caffe,
    "cifar_alexnet": _heads("features.0.weight", "classifier.6.weight", 3),
    "cifar_vgg16": _heads("features.0.weight", "classifier.weight", 3),
    "cifar_googlenet": _heads("stem.0.weight", "linear.weight", 3),
}
