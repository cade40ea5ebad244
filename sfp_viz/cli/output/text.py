"""How the command line speaks: aligned tables for people, one line of JSON for machines."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from sfp_viz.runs.storage.records import Run

_NUMBER = re.compile(r"[-−+]?[\d.,–/]+( of [\d,]+)?( ?[%a-zA-Zµ]{1,3})?")


def with_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option --json."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead.")
    return option(command)


def run_head_to_dict(run: Run) -> dict[str, Any]:
    """What the JSON of every run begins with: which run it is, and its state."""
    return {
        "run": run.id,
        "path": str(run.path),
        "kind": run.kind,
        "name": run.name,
        "state": run.state,
        "message": run.message,
        "data": run.data,
        "facts": dict(run.facts),
    }


def print_result(value: Any, text: str, *, as_json: bool) -> None:
    """Print a value as JSON, or a text.

    Args:
        value: The value.
        text: The text.
        as_json: Whether to print the value.
    """
    click.echo(json.dumps(value) if as_json else text)


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows under their heads, aligned; columns of numbers are aligned to the right.

    Args:
        heads: The names of the columns.
        rows: A cell for each column.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    every = [list(heads), *cells]
    widths = [max(len(row[i]) for row in every) for i in range(len(heads))]
    right = [bool(cells) and all(_numeric(row[i]) for row in cells) for i in range(len(heads))]
    lines = [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in every
    ]
    return "\n".join(lines)


def fact_list(pairs: Iterable[tuple[str, Any]]) -> str:
    """Names and values, one pair a line, aligned; pairs without a value are left out."""
    shown = [(name, _cell(value)) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)


def time_text(seconds: float) -> str:
    """A time, from seconds since 1970, on this machine's clock: '2026-11-22 05:12:33'."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _numeric(cell: str) -> bool:
    """Whether a cell is a number with, at most, a unit: '1,234', '−3.1 %', '163 k', '4 of 9'."""
    return not cell or bool(_NUMBER.fullmatch(cell))
