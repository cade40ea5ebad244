"""Records read from the JSON files of a run. A problem names the file and the field."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from sfp_viz.errors import RunError
from sfp_viz.files import read_json

Record = TypeVar("Record")
_PLAIN = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


class MissingField(RunError):
    """A record lacks a field that has no default."""


def record_from_dict(kind: type[Record], value: Mapping[str, Any], file: Path) -> Record:
    """A record of the dataclass ``kind``, each field checked against its annotation.

    Args:
        kind: A dataclass of numbers, texts, Literals, tuples, mappings and other dataclasses.
        value: The JSON object. Unknown keys are ignored; null stands for a field's default.
        file: Where it was read, for messages.

    Raises:
        MissingField: A field without a default is not there.
        RunError: A value has the wrong type.
    """
    content: dict[str, Any] = {}
    for name, read, optional, required in _fields(kind):
        entry = value.get(name)
        if entry is not None:
            try:
                content[name] = read(entry)
            except (TypeError, ValueError, OverflowError) as problem:
                raise RunError(
                    f"The file {file} is damaged: '{name}' must be {problem}, not {entry!r}."
                ) from problem
        elif required:
            raise MissingField(f"The file {file} is damaged: '{name}' is missing.")
        elif optional:
            content[name] = None
    return kind(**content)


def load_record(kind: type[Record], file: Path) -> Record | None:
    """The record in a JSON file; None where there is no such file, or a field is missing.

    Args:
        kind: A dataclass, see ``record_from_dict``.
        file: The file.

    Raises:
        RunError: A value has the wrong type.
    """
    value = read_json(file)
    try:
        return None if value is None else record_from_dict(kind, value, file)
    except MissingField:
        return None


@cache
def _fields(kind: type) -> tuple[tuple[str, Callable[[Any], Any], bool, bool], ...]:
    """Of each field of a dataclass: name, reader, and whether None stands for a missing value or
    there must be one."""
    hints, readers = get_type_hints(kind), []
    for field in fields(kind):
        bare = field.default is MISSING and field.default_factory is MISSING
        nullable = type(None) in get_args(hints[field.name])
        reader = _reader(hints[field.name])
        readers.append((field.name, reader, bare and nullable, bare and not nullable))
    return tuple(readers)


def _reader(hint: Any) -> Callable[[Any], Any]:
    """A function that reads a JSON value as ``hint``; its ValueError says what is expected."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return lambda value: _plain(hint, value)
    if origin is Literal:
        return lambda value: _chosen(arguments, value)
    if origin in (Union, types.UnionType):
        readers = [_reader(argument) for argument in arguments if argument is not type(None)]
        return lambda value: _first(readers, value)
    if origin is tuple and arguments[-1] is Ellipsis:
        item = _reader(arguments[0])
        return lambda value: tuple(item(entry) for entry in _list(value, None))
    if origin is tuple:
        items = [_reader(argument) for argument in arguments]
        return lambda value: tuple(
            read(entry) for read, entry in zip(items, _list(value, len(items)), strict=True)
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        entry_reader = _reader(arguments[1])
        return lambda value: {key: entry_reader(entry) for key, entry in _object(value).items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: _nested(hint, value)
    return lambda value: value


def _plain(kind: Any, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(_PLAIN[kind])
    return value


def _chosen(choices: tuple[Any, ...], value: Any) -> Any:
    if value not in choices:
        raise ValueError(" or ".join(repr(choice) for choice in choices))
    return value


def _first(readers: list[Callable[[Any], Any]], value: Any) -> Any:
    problems = []
    for read in readers:
        try:
            return read(value)
        except ValueError as problem:
            problems.append(str(problem))
    raise ValueError(" or ".join(problems))


def _list(value: Any, length: int | None) -> list[Any]:
    if not isinstance(value, list) or length not in (None, len(value)):
        raise ValueError("a list" if length is None else f"a list of {length}")
    return value


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("an object")
    return value


def _nested(kind: type, value: Any) -> Any:
    try:
        return record_from_dict(kind, _object(value), Path())
    except RunError as problem:
        raise ValueError(f"a {kind.__name__}") from problem
