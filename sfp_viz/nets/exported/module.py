"""An exported network as a module again: its layers are modules at their author's paths, and the
operations between them run one after another. No code is made out of a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.layers import build_layer
from sfp_viz.nets.exported.operations import operation
from sfp_viz.nets.exported.program import (
    LAYER,
    Batch,
    InputDevice,
    Program,
    State,
    Value,
    program_from_dict,
    program_to_dict,
    values_in,
)

ARCHITECTURE = "exported"  # how a file of ours names one: its arguments hold the program
MOST_VALUES = 500_000_000  # of parameters and buffers
_MOST_OUTPUT = 2**31  # values of one operation's result on two images


@dataclass(frozen=True)
class _Call:
    """A step ready to run: ``layer`` is a path, or '' for an operation, which runs in the module
    at ``place``. ``spent`` are values that no later step uses."""

    layer: str
    function: Callable[..., Any] | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[str, ...]
    spent: tuple[str, ...]
    place: str


class _Calls(tuple[_Call, ...]):
    """All steps; a copy of a network shares them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Calls:
        return self


class Container(nn.Module):
    """A module of the author's, which holds others; operations of its code run in it, so that
    hooks know where."""

    def forward(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)


class ExportedNetwork(nn.Module):
    """The network of a ``Program``; its weights are undefined until they are loaded."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        _check_sizes(program)
        self._exported_input = program.input
        self._exported_output = program.output
        for layer in program.layers:
            _place(self, layer.path, build_layer(layer))
        for spec in program.tensors:
            tensor = torch.empty(spec.shape, dtype=spec.dtype)
            _place(self, spec.path, nn.Parameter(tensor) if spec.parameter else tensor)
        self._exported_calls = _calls(self, program)

    def forward(self, images: Tensor) -> Any:
        return self._run(images, lambda call, results: None)

    def _run(self, images: Tensor, watch: Callable[[_Call, tuple | list], None]) -> Any:
        """The output for ``images``; ``watch`` gets each call with its results."""
        values: dict[str, Any] = {self._exported_input: images}
        for call in self._exported_calls:
            args = [self._value(argument, values, images) for argument in call.args]
            if call.function is None:
                result = self.get_submodule(call.layer)(*args)
            else:
                named = {k: self._value(v, values, images) for k, v in call.kwargs.items()}
                if call.place:
                    result = self.get_submodule(call.place)(call.function, *args, **named)
                else:
                    result = call.function(*args, **named)
            results = result if isinstance(result, tuple | list) else (result,)
            watch(call, results)
            for name, value in zip(call.outputs, results, strict=False):
                values[name] = value
            for name in call.spent:
                values.pop(name, None)
        return self._value(self._exported_output, values, images)

    def _value(self, argument: Any, values: Mapping[str, Any], images: Tensor) -> Any:
        match argument:
            case Value(name):
                return values[name]
            case State(name):
                owner, _, leaf = name.rpartition(".")
                return getattr(self.get_submodule(owner), leaf)
            case tuple() | list():
                parts = [self._value(item, values, images) for item in argument]
                return tuple(parts) if argument is self._exported_output else parts
            case Batch(factor):
                return images.shape[0] * factor
            case InputDevice():
                return images.device
            case dict():
                return {name: self._value(item, values, images) for name, item in argument.items()}
        return argument


def build_exported(arguments: Mapping[str, Any]) -> ExportedNetwork:
    """The network whose program stands in the ``arguments`` of a file of ours.

    Raises:
        ModelError: The program is incomplete, too large, or names what may not be run.
    """
    program = program_from_dict(arguments.get("program"))
    lay_out(program)
    return ExportedNetwork(program)


def lay_out(program: Program) -> ExportedNetwork:
    """The network without memory (on the 'meta' device), after a look at the size of every result.

    Raises:
        ModelError: A result would be absurdly large, or the program names what may not be run.
    """

    def watch(call: _Call, results: tuple | list) -> None:
        sizes = [result.numel() for result in results if isinstance(result, Tensor)]
        if max(sizes, default=0) > _MOST_OUTPUT:
            what = f"layer '{call.layer[:80]}'" if call.layer else f"operation {call.function}"
            raise ModelError(
                f"The {what} of an exported network makes {max(sizes):,} values of two images; up "
                f"to {_MOST_OUTPUT:,} are allowed."
            )

    with torch.device("meta"):
        network = ExportedNetwork(program).eval()
    try:
        with torch.no_grad():
            network._run(torch.zeros(2, *program.input_shape, device="meta"), watch)
    except ModelError:
        raise
    except Exception:  # not every operation runs without values: what fails for good fails later
        return network
    return network


def arguments_of(program: Program) -> dict[str, Any]:
    """The arguments with which ``build_exported`` builds the network again."""
    return {"program": program_to_dict(program)}


def _check_sizes(program: Program) -> None:
    total = 0
    for spec in program.tensors:
        count = 1
        for size in spec.shape:
            count *= size
        total += count
        if min([0, *spec.shape]) < 0 or total > MOST_VALUES:
            raise ModelError(
                f"The exported network's '{spec.path[:80]}' of shape {spec.shape} is too large; "
                f"networks of up to {MOST_VALUES:,} values are opened."
            )


def _place(root: nn.Module, path: str, entry: nn.Module | Tensor) -> None:
    """Put a layer, parameter or buffer at its path, with containers on the way."""
    *parents, leaf = path.split(".")
    owner = root
    try:
        for parent in parents:
            if parent not in owner._modules:
                owner.add_module(_checked(parent), Container())
            owner = owner.get_submodule(parent)
        _checked(leaf)
        if isinstance(entry, nn.Parameter):
            owner.register_parameter(leaf, entry)
        elif isinstance(entry, Tensor):
            owner.register_buffer(leaf, entry)
        else:
            for name, child in owner._modules.get(leaf, nn.Module()).named_children():  # type: ignore[union-attr]
                entry.add_module(name, child)
            owner.add_module(leaf, entry)
    except (KeyError, AttributeError, TypeError) as problem:
        raise ModelError(
            f"The exported network has a part called '{path[:80]}', a name that torch keeps for "
            "itself. Rename it and export the network again."
        ) from problem


def _checked(name: str) -> str:
    # no quotes: torch.export writes names into code of its own
    if not re.fullmatch(r"[\w +:/@-]+", name) or name.startswith("__"):
        raise KeyError(name)
    return name


def _calls(module: nn.Module, program: Program) -> _Calls:
    """The steps with their functions and the values that each of them uses last."""
    layers = {layer.path for layer in program.layers}
    known, states = {program.input}, {name for name, _ in _tensors(module)}
    last: dict[str, int] = {}
    for at, step in enumerate(program.steps):
        for value in values_in((step.args, tuple(step.kwargs.values()))):
            _check_reference(value, known, states)
            last[value.name] = at
        if step.target == LAYER and (len(step.args) != 2 or step.args[0] not in layers):
            raise ModelError("A step of an exported network calls a layer that it does not have.")
        known |= {name for name in step.outputs if name}
        last |= {name: at for name in step.outputs if name and name not in last}
    kept = values_in(program.output)
    for value in kept:
        _check_reference(value, known, states)
    spent: dict[int, list[str]] = {}
    for name, at in last.items():
        if name not in {value.name for value in kept}:
            spent.setdefault(at, []).append(name)
    return _Calls(
        _Call(
            step.args[0] if step.target == LAYER else "",
            None if step.target == LAYER else operation(step.target),
            step.args[1:] if step.target == LAYER else step.args,
            step.kwargs,
            step.outputs,
            tuple(spent.get(at, ())),
            _container(module, step.place),
        )
        for at, step in enumerate(program.steps)
    )


def _container(module: nn.Module, place: str) -> str:
    """The path of the deepest container on the way to ``place``; '' where there is none."""
    while place:
        try:
            if isinstance(module.get_submodule(place), Container):
                return place
        except AttributeError:
            pass
        place = place.rpartition(".")[0]
    return ""


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def _check_reference(value: Value | State, known: set[str], states: set[str]) -> None:
    if value.name not in (known if isinstance(value, Value) else states):
        raise ModelError(
            f"A step of an exported network uses '{value.name[:80]}' before there is such a value. "
            "The file is damaged; export the network again."
        )
