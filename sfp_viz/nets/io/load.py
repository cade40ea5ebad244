"""Any source -> Model, safely: samples, torchvision and timm names, and files without code."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sfp_viz.errors import EXPORT_ADVICE, EXPORT_LINES, ModelError
from sfp_viz.nets.io import samples
from sfp_viz.nets.io.exported_file import load_exported
from sfp_viz.nets.io.file_formats import SUFFIXES, format_of
from sfp_viz.nets.io.load_into import load_into
from sfp_viz.nets.io.model_file import check_size, load_saved, read_header
from sfp_viz.nets.io.state_dict import read_state
from sfp_viz.nets.model import Model, Source
from sfp_viz.nets.zoo import architectures, build
from sfp_viz.nets.zoo.bare_weights import BARE, BareWeights, has_filters
from sfp_viz.nets.zoo.names import torchvision_tasks
from sfp_viz.nets.zoo.preprocessing import preprocessing_named
from sfp_viz.nets.zoo.recognize import (
    Guess,
    Preprocessing,
    arguments_for,
    fit,
    recognize,
    usual_preprocessing,
)

Chosen = str | tuple[Sequence[float], Sequence[float]]


def load_model(
    source: str | Path,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    input_shape: tuple[int, int, int] | None = None,
    preprocessing: Chosen | None = None,
    explore: bool = False,
    into: nn.Module | None = None,
) -> Model:
    """Open a sample, a network by the name of its architecture, or a file of weights.

    Nothing is fetched, and no code from a file is run.

    Args:
        source: A sample's name; 'torchvision:resnet18' (or 'resnet18'), 'timm:NAME' or one of our
            own architectures ('cifar_alexnet'), untrained: their weights are drawn with seed 0; or
            a file: our safetensors, a program of torch.export (.pt2), or a state dict under any
            usual ending, wrapped as trainings write it. ``Model.source`` says which of its
            entries went where and what was left out.
        architecture: What a state dict belongs to, where its layers do not tell.
        arguments: Those of the architecture.
        input_shape: Size of the images: (channels, height, width).
        preprocessing: 'raw', 'half', 'cifar10', 'imagenet' ..., 'MEAN/STD', or (mean, deviation);
            left out, the usual one of the architecture, which is a guess until it is measured.
        explore: Open weights whose architecture is unknown too (and ONNX files): their filters can
            be seen and clustered, and not cut.
        into: A module of the caller's own code: a copy of it gets the file's weights, and is made
            narrower where the file's network was pruned.

    Raises:
        ModelError: In one sentence, for whatever cannot be opened.
    """
    name = str(source)
    path = Path(os.path.expanduser(source))
    if name in samples.sample_names():
        model = load_saved(samples.sample_path(name))
    elif into is not None:
        model = load_into(path, into, input_shape)
    elif path.is_file() or path.suffix.lower().lstrip(".") in SUFFIXES:
        model = _opened(path, architecture, arguments, input_shape, explore)
    else:
        model = _untrained(name, arguments or {}, input_shape)
    if input_shape and tuple(input_shape) != model.input_shape:
        model = _resized(model, (input_shape[0], input_shape[1], input_shape[2]))
    if preprocessing is None:
        return model
    mean, std = preprocessing_named(preprocessing, model.input_shape[0])
    return replace(model, mean=mean, std=std, source=replace(model.source, known=True))


def _opened(path: Path, *options: Any) -> Model:
    """``_load_file``, whose errors end with the lines that write a file of any network."""
    try:
        return _load_file(path, *options)
    except ModelError as problem:
        if not path.is_file():
            raise
        lines = textwrap.indent(EXPORT_LINES, "    ")
        raise ModelError(f"{problem}\n\n{EXPORT_ADVICE}\n\n{lines}") from problem


def _resized(model: Model, shape: tuple[int, int, int]) -> Model:
    """The same network for images of another size."""
    if model.architecture != BARE:
        build.count_classes(model.module, shape)
    if shape[0] != model.input_shape[0]:
        raise ModelError(
            f"The network '{model.name}' reads images with {model.input_shape[0]} channels, not "
            f"{shape[0]}."
        )
    return replace(model, input_shape=shape)


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
    known = usual_preprocessing(guess, shapes)
    return _model(module, guess, named.rpartition(":")[2], input_shape, known)


def _is_torchvision(name: str) -> bool:
    return name in torchvision_tasks()


def _load_file(
    path: Path,
    architecture: str | None,
    arguments: Mapping[str, Any] | None,
    input_shape: tuple[int, int, int] | None,
    explore: bool,
) -> Model:
    check_size(path)
    kind = format_of(path)
    if kind == "safetensors" and read_header(path):
        return load_saved(path)
    if kind == "pt2":
        return load_exported(path, input_shape)
    state = read_state(path)
    name = re.sub(r"\.(pth|pt|ckpt|th)$", "", path.stem)
    if not any(tensor.ndim == 4 for tensor in state.values()):
        raise ModelError(_no_convolution(f"The network in {path.name}"))
    try:
        if kind == "onnx":
            raise ModelError(
                f"The file {path.name} is an ONNX file, which holds the weights of a network that "
                f"cannot be cut here. Export it as .pt2."
            )
        return _recognized(path.name, name, state, architecture, arguments, input_shape)
    except ModelError as problem:
        if not explore or architecture or not has_filters(state):
            raise
        return _bare(name, state, problem)


def _recognized(
    file: str,
    name: str,
    state: Mapping[str, Tensor],
    architecture: str | None,
    arguments: Mapping[str, Any] | None,
    input_shape: tuple[int, int, int] | None,
) -> Model:
    """The network of a state dict."""
    shapes = {entry: tuple(tensor.shape) for entry, tensor in state.items()}
    side = input_shape[1] if input_shape else 0
    guess = _guess(shapes, architecture, arguments, file, side)
    module = build.build(guess.architecture, guess.arguments)
    if guess.keys:
        entries = {new: state[old] for old, new in guess.keys.items()}
    else:
        entries = {entry: t for entry, t in state.items() if entry not in guess.left_out}
    fresh = module.state_dict()
    counts = {entry: fresh[entry] for entry in fresh if entry not in entries}
    build.load_weights(module, {**counts, **entries}, file)
    shapes = {entry: tuple(tensor.shape) for entry, tensor in module.state_dict().items()}
    known = usual_preprocessing(guess, shapes)
    model = _model(module, guess, name, input_shape, known)
    source = Source(
        keys=tuple((old, new) for old, new in guess.keys.items()),
        left_out=guess.left_out,
        assumptions=guess.assumptions or _large_images(model),
        known=False,
    )
    return replace(model, source=source)


def _large_images(model: Model) -> tuple[str, ...]:
    """That a library's network may have been changed for small images, which no shape tells."""
    is_changed = ":" in (model.architecture or "") and model.classes != 1000
    return ("the strides of the library's network, which is made for large images",) * is_changed


class _Unfitting(ModelError):
    """Weights that fit no known architecture; ``guess`` is the nearest one."""

    def __init__(self, text: str, guess: Guess) -> None:
        super().__init__(text)
        self.guess = guess


def _bare(name: str, state: Mapping[str, Tensor], problem: ModelError) -> Model:
    """Weights for exploring alone."""
    reason = str(problem)
    guess = problem.guess if isinstance(problem, _Unfitting) else None
    source = Source(assumptions=(reason,), known=False)
    if guess is not None and guess.architecture and not guess.unknown:
        source = replace(source, nearest=_with_arguments(guess), differences=guess.differences)
    channels = next(tensor.shape[1] for tensor in state.values() if tensor.ndim == 4)
    return Model(
        BareWeights(state, reason),
        name=name,
        input_shape=(channels, 1, 1),
        architecture=BARE,
        source=source,
    )


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
    side: int,
) -> Guess:
    """The architecture that fits; ModelError with a few differences when none does."""
    if architecture is None:
        guess = recognize(shapes, side)
        if guess.apart or guess.unknown:
            nearest = f"the nearest is {_with_arguments(guess)} ({guess.difference()})"
            reason = f"several networks have its layers: the file does not tell {guess.unknown}"
            raise _Unfitting(
                f"The weights in {name} fit no known architecture; "
                f"{reason if guess.unknown else nearest}. Name the architecture they belong to, "
                "or export the network as .pt2.",
                guess,
            )
        return guess
    named = architecture if ":" in architecture else _full_name(architecture)
    choices = [arguments] if arguments is not None else arguments_for(shapes, named)
    guess = min((fit(shapes, named, choice) for choice in choices), key=lambda g: g.apart)
    if guess.apart:
        nearest = recognize(shapes)
        exact = nearest.apart == 0 and not nearest.unknown
        hint = f" They fit {_with_arguments(nearest)}." if exact else ""
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
    classes = build.count_classes(module, shape)
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
