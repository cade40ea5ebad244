"""Reading our own JSON, whatever a file may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sfp_viz.errors import PlanError, SfpError

# What reading a JSON value of another form than expected raises.
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_MOST = 4_000_000  # characters of a file; a longer one is not ours


def read_json(
    text: str,
    kind: str,
    version: int,
    *,
    earlier: tuple[int, ...] = (),
    most: int = _MOST,
    error: type[SfpError] = PlanError,
) -> dict[str, Any]:
    """A JSON object of format ``version`` or one of those ``earlier``.

    Args:
        text: The file's text.
        kind: What the file is, for the message.
        version: The format of today.
        earlier: Older formats that can be read.
        most: Most characters of a text that is read.
        error: Class of the error.

    Raises:
        SfpError: An ``error`` that names the ``kind``: the text is too long, no JSON object, or of
            another format.
    """
    if len(text) > most:
        raise error(f"The {kind} is longer than {most:,} characters, so it was not read.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise error(f"The {kind} is not readable as JSON: {problem}") from problem
    if not isinstance(value, dict) or value.get("format") not in (version, *earlier):
        raise error(f"This is no {kind} of format {version}; it may come from a newer version.")
    return value


@contextmanager
def reading(kind: str, *, error: type[SfpError] = PlanError, hint: str = "") -> Iterator[None]:
    """A block that reads a value out of JSON: what a value of another form raises becomes an
    ``error`` that names the kind of file and the entry.

    Args:
        kind: What the file is, for the message.
        error: Class of the error.
        hint: A sentence on what to do.

    Raises:
        SfpError: An ``error``, where the value has another form.
    """
    try:
        yield
    except MALFORMED as problem:
        raise error(
            f"This is no {kind} of ours: {problem!r} is missing or wrong. {hint}".rstrip()
        ) from problem


def format_json(value: Mapping[str, Any], version: int, *, indent: int | None = 1) -> str:
    """JSON values as the text of a file with a format number, keys sorted.

    Args:
        value: JSON values by name.
        version: Number of the format.
        indent: Spaces of a level; None for a single line.
    """
    return json.dumps({"format": version, **value}, sort_keys=True, indent=indent)
