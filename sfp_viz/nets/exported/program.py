"""Program: the operations of an exported network as plain values, and the layers among them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from sfp_viz.errors import ModelError

FORMAT = 1
MOST_STEPS = 50_000
LAYER = "layer"  # the target of a step that calls one of the program's layers
_KINDS = (torch.dtype, torch.layout, torch.memory_format)
_DEEP = 16  # lists in lists of one argument, or of the output


@dataclass(frozen=True)
class Value:
    """What an earlier step, or the input, put under ``name``."""

    name: str


@dataclass(frozen=True)
class State:
    """The parameter or buffer at the dotted path ``name``."""

    name: str


@dataclass(frozen=True)
class Batch:
    """``factor`` times the number of images that the network is given."""

    factor: int = 1


@dataclass(frozen=True)
class InputDevice:
    """The device of the images."""


# of a step: None, bool, int, float, str, a dtype, layout or memory format, the records above, or a
# tuple of such
Argument = Any


@dataclass(frozen=True)
class Step:
    """One operation. ``target`` is ``LAYER``, with the layer's path as first argument, or an
    operator's name ('aten.relu.default', '_operator.mul'). ``outputs`` name its results, '' for
    one that is not used. ``place`` is the path of the module whose code runs it."""

    target: str
    args: tuple[Argument, ...]
    kwargs: Mapping[str, Argument] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True)
class Layer:
    """A layer at its author's path: the name of its class in torch.nn, and its arguments."""

    path: str
    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class TensorSpec:
    """A parameter or buffer that belongs to no layer."""

    path: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    parameter: bool


@dataclass(frozen=True)
class Program:
    """An exported network without its weights.

    Attributes:
        steps: In order of execution.
        layers: Every layer once, however often it is called.
        tensors: Parameters and buffers that the steps use beside the layers' own.
        input: Name of the images' value.
        output: What the network returns: a Value, or tuples, lists and dicts of them.
        input_shape: (channels, height, width) of the images it was exported with.
        batch: The number of images it was exported for; None where any number was allowed.
        notes: What cannot be known about the network, in sentences.
    """

    steps: tuple[Step, ...]
    layers: tuple[Layer, ...]
    tensors: tuple[TensorSpec, ...]
    input: str
    output: Argument
    input_shape: tuple[int, ...]
    batch: int | None = None
    notes: tuple[str, ...] = ()


def values_in(argument: Argument) -> list[Value | State]:
    """The values and tensors that an argument, or the output, refers to."""
    if isinstance(argument, Value | State):
        return [argument]
    if isinstance(argument, Mapping):
        argument = tuple(argument.values())
    if isinstance(argument, tuple | list):
        return [value for item in argument for value in values_in(item)]
    return []


def program_to_dict(program: Program) -> dict[str, Any]:
    """Plain values that JSON can hold."""
    return {
        "format": FORMAT,
        "steps": [
            [
                step.target,
                [_encode(argument) for argument in step.args],
                {name: _encode(argument) for name, argument in step.kwargs.items()},
                list(step.outputs),
                step.place,
            ]
            for step in program.steps
        ],
        "layers": [[layer.path, layer.kind, _encode(layer.arguments)] for layer in program.layers],
        "tensors": [
            [spec.path, list(spec.shape), _word(spec.dtype), spec.parameter]
            for spec in program.tensors
        ],
        "input": program.input,
        "output": _encode(program.output),
        "input_shape": list(program.input_shape),
        "batch": program.batch,
        "notes": list(program.notes),
    }


def program_from_dict(content: Any) -> Program:
    """The program that ``program_to_dict`` wrote; it may come from a stranger's file.

    Raises:
        ModelError: It is not one.
    """
    try:
        if content["format"] != FORMAT or len(content["steps"]) > MOST_STEPS:
            raise ValueError(f"format {content['format']}, {len(content['steps'])} steps")
        return Program(
            steps=tuple(
                Step(
                    str(target),
                    tuple(_decode(argument) for argument in args),
                    {str(name): _decode(argument) for name, argument in kwargs.items()},
                    tuple(str(name) for name in outputs),
                    str(place),
                )
                for target, args, kwargs, outputs, place in content["steps"]
            ),
            layers=tuple(
                Layer(str(path), str(kind), dict(_decode(arguments)))
                for path, kind, arguments in content["layers"]
            ),
            tensors=tuple(
                TensorSpec(str(path), tuple(int(n) for n in shape), _kind(dtype), bool(parameter))
                for path, shape, dtype, parameter in content["tensors"]
            ),
            input=str(content["input"]),
            output=_decode(content["output"]),
            input_shape=tuple(int(n) for n in content["input_shape"]),
            batch=None if content["batch"] is None else int(content["batch"]),
            notes=tuple(str(note)[:500] for note in content["notes"][:20]),
        )
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as problem:
        raise ModelError(
            f"The operations of an exported network are incomplete or wrong: {problem!r}. They "
            "were not written by sfp-viz as they are; open its .pt2 file again."
        ) from problem


def _encode(argument: Argument) -> Any:
    match argument:
        case None | bool() | int() | str():
            return argument
        case float():
            return argument if math.isfinite(argument) else {"float": str(argument)}
        case Value(name):
            return {"value": name}
        case State(name):
            return {"state": name}
        case Batch(factor):
            return {"batch": factor}
        case InputDevice():
            return {"device": "input"}
        case tuple():
            return [_encode(item) for item in argument]
        case list():
            return {"list": [_encode(item) for item in argument]}
        case Mapping():
            return {"dict": [[str(name), _encode(item)] for name, item in argument.items()]}
    assert isinstance(argument, _KINDS), argument
    return {"torch": _word(argument)}


def _decode(content: Any, depth: int = 0) -> Argument:
    if depth > _DEEP:
        raise ValueError("lists inside lists")
    if content is None or isinstance(content, bool | int | float | str):
        return content
    if isinstance(content, list):
        return tuple(_decode(item, depth + 1) for item in content)
    (kind, value), *rest = content.items()
    if rest:
        raise ValueError(f"an argument with {kind} and {rest[0][0]}")
    match kind:
        case "float":
            return float(value)
        case "value":
            return Value(str(value))
        case "state":
            return State(str(value))
        case "batch":
            return Batch(int(value))
        case "device":
            return InputDevice()
        case "list":
            return [_decode(item, depth + 1) for item in value]
        case "dict":
            return {str(name): _decode(item, depth + 1) for name, item in value}
        case "torch":
            return _kind(value)
    raise ValueError(f"an argument of kind {kind!r}")


def _word(kind: torch.dtype | torch.layout | torch.memory_format) -> str:
    return str(kind).removeprefix("torch.")


def _kind(word: Any) -> Any:
    """A dtype, layout or memory format by its name in torch."""
    kind = getattr(torch, word) if isinstance(word, str) and word.isidentifier() else None
    if not isinstance(kind, _KINDS):
        raise ValueError(f"a dtype, layout or memory format called {str(word)[:40]!r}")
    return kind
