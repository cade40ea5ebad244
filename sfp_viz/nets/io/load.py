"""Any source -> Model, safely: samples, torchvision and timm names, and files without code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.io import samples
from sfp_viz.nets.io.model_file import load_saved, read_header
from sfp_viz.nets.io.state_dict import read_state
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import architectures, build
from sfp_viz.nets.zoo.recognize import (
    Guess,
    Preprocessing,
    arguments_for,
    compare,
    preprocessing,
    recognize,
)

_SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".bin", ".ckpt")


def load_model(
    source: str | Path,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    input_shape: tuple[int, int, int] | None = None,
) -> Model:
    """Open a sample, a network by the name of its architecture, or a file of weights.

    Nothing is downloaded, and no code from a file is run. A network by name is untrained: its
    weights are drawn with seed 0.

    Args:
        source: A sample's name; 'torchvision:resnet18' (or 'resnet18'), 'timm:NAME' or one of our
            own architectures ('cifar_alexnet'); or a file: our safetensors, or a state dict
            (.safetensors, .pt, .pth, .th).
        architecture: For a state dict, what it belongs to; recognized from its names when left out.
        arguments: Keyword arguments of the architecture.
        input_shape: Channels, height and width of the images; recognized when left out.

    Raises:
        ModelError: The source cannot be opened.
    """
    name = str(source)
    if name in samples.sample_names():
        return load_saved(samples.sample_path(name))
    path = Path(os.path.expanduser(source))
    if path.is_file() or path.suffix.lower() in _SUFFIXES:
        return _load_file(path, architecture, arguments, input_shape)
    return _untrained(name, arguments or {}, input_shape)


def describe(source: str | Path) -> str:
    """One sentence on what ``load_model(source)`` opens, for people; loads no weights."""
    name = str(source)
    if name in samples.sample_names():
        return f"The sample network '{samples.sample_card(name).get('title', name)}'."
    path = Path(os.path.expanduser(source))
    if path.is_file():
        return f"The network in the file {path.name}."
    return (
        f"The architecture {name} with random weights (seed 0): its costs are exact, but its "
        "filters mean nothing until it is trained. Open a file of weights with this architecture "
        "for a trained one."
    )


def _untrained(
    name: str, arguments: Mapping[str, Any], input_shape: tuple[int, int, int] | None
) -> Model:
    is_own = name in architectures.ARCHITECTURES
    named = name if is_own or ":" in name else f"torchvision:{name}"
    try:
        module = build.build(named, arguments)
    except ModelError as problem:
        if is_own or ":" in name or _is_torchvision(name):
            raise
        names = ", ".join(samples.sample_names()) or "none here"
        raise ModelError(
            f"There is no network and no file called '{name}'. Give a sample ({names}), "
            "torchvision:<name>, timm:<name>, or a file of weights."
        ) from problem
    guess = Guess(named, dict(arguments))
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    inputs = preprocessing(guess, shapes)
    return _model(module, guess, named.rpartition(":")[2], input_shape, inputs)


def _is_torchvision(name: str) -> bool:
    from torchvision import models

    return name in models.list_models(module=models)


def _load_file(
    path: Path,
    architecture: str | None,
    arguments: Mapping[str, Any] | None,
    input_shape: tuple[int, int, int] | None,
) -> Model:
    if path.suffix.lower() == ".safetensors" and read_header(path):
        return load_saved(path)
    state = read_state(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if not any(len(shape) == 4 for shape in shapes.values()):
        raise ModelError(_no_convolution(f"The network in {path.name}"))
    guess = _guess(shapes, architecture, arguments, path.name)
    module = build.build(guess.architecture, guess.arguments)
    fresh = module.state_dict()
    module.load_state_dict({**{n: fresh[n] for n in fresh if n not in state}, **state})
    return _model(module, guess, path.stem, input_shape, preprocessing(guess, shapes))


def _no_convolution(network: str) -> str:
    return (
        f"{network} has no 2-D convolution, so it has no filters to prune. Open a convolutional "
        "network."
    )


def _guess(
    shapes: Mapping[str, build.Shape],
    architecture: str | None,
    arguments: Mapping[str, Any] | None,
    name: str,
) -> Guess:
    """The architecture that fits exactly; ModelError with a few differences when none does."""
    if architecture is None:
        guess = recognize(shapes)
        if guess.apart:
            raise ModelError(
                f"The weights in {name} fit no known architecture; the nearest is "
                f"{_with_arguments(guess)} ({guess.difference()}). Name the architecture that they "
                "belong to. A class of your own can only be opened from Python: "
                "sfp_viz.Model(module, name='mine', input_shape=(3, 32, 32))."
            )
        return guess
    named = architecture if ":" in architecture else _full_name(architecture)
    choices = [arguments] if arguments is not None else arguments_for(shapes, named)
    guess = min((compare(shapes, named, choice) for choice in choices), key=lambda g: g.apart)
    if guess.apart:
        nearest = recognize(shapes)
        hint = f" They fit {_with_arguments(nearest)}." if nearest.apart == 0 else ""
        raise ModelError(
            f"The weights in {name} do not fit {_with_arguments(guess)} "
            f"({guess.difference()}).{hint} Choose the architecture that they were trained with."
        )
    return guess


def _full_name(architecture: str) -> str:
    from sfp_viz.nets.zoo.architectures import ARCHITECTURES

    return architecture if architecture in ARCHITECTURES else f"torchvision:{architecture}"


def _with_arguments(guess: Guess) -> str:
    arguments = ", ".join(f"{key} = {value}" for key, value in guess.arguments.items())
    return f"{guess.architecture} with {arguments}" if arguments else guess.architecture


def _model(
    module: nn.Module,
    guess: Guess,
    name: str,
    input_shape: tuple[int, int, int] | None,
    inputs: Preprocessing,
) -> Model:
    if not any(isinstance(layer, nn.Conv2d) for layer in module.modules()):
        raise ModelError(_no_convolution(f"The network '{name}'"))
    shape = inputs.input_shape if input_shape is None else input_shape
    classes = build.try_forward(module, shape).shape[1]
    return Model(
        module,
        name=name,
        input_shape=shape,
        mean=inputs.mean if len(inputs.mean) == shape[0] else (),
        std=inputs.std if len(inputs.std) == shape[0] else (),
        classes=classes,
        architecture=guess.architecture,
        arguments=guess.arguments,
        data=inputs.data,
    )
