"""Histories as JSON lines: epochs of a training, points of a study. A half line does not count."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfp_viz.core.training.history import Epoch, Refresh
from sfp_viz.files import write_text
from sfp_viz.runs.storage.records import Point

EPOCHS, POINTS = "epochs.jsonl", "points.jsonl"


def read_epochs(path: Path) -> tuple[Epoch, ...]:
    """The history of a training; what was half written when the worker died is left out."""
    epochs: list[Epoch] = []
    for value in json_lines(path / EPOCHS):
        try:
            epoch = Epoch(**value)
        except TypeError:
            break
        if epoch.epoch != len(epochs) + 1:
            break
        epochs.append(epoch)
    return tuple(epochs)


def read_points(path: Path) -> tuple[Point, ...]:
    """What a study has measured so far; what was half written is left out."""
    points: list[Point] = []
    for value in json_lines(path / POINTS):
        try:
            points.append(Point(tuple(value["task"]), value["value"], float(value["seconds"])))
        except (KeyError, TypeError, ValueError):
            break
    return tuple(points)


def append(file: Path, entry: Epoch | Point | Refresh) -> None:
    """Add a line to a history; it lies on the disk when this returns.

    Args:
        file: The history.
        entry: The content of the line.

    Raises:
        OSError: It cannot be written; the file is then as it was.
    """
    content = _line(entry).encode()
    with file.open("ab", buffering=0) as lines:  # a buffer would try its rest again at the close
        before = lines.tell()
        try:
            while content:
                content = content[lines.write(content) :]
            os.fsync(lines.fileno())
        except OSError:  # a full disk, say: half a line may have been written
            with suppress(OSError):
                os.truncate(file, before)
            raise


def rewrite(file: Path, entries: Sequence[Epoch | Point] | Sequence[Refresh]) -> None:
    """Leave only the given lines in a history; no empty file is created.

    Args:
        file: The history.
        entries: Its new content.
    """
    if entries or file.exists():
        write_text(file, "".join(_line(entry) for entry in entries))


def _line(entry: Epoch | Point | Refresh) -> str:
    return json.dumps(asdict(entry)) + "\n"


def json_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of whole lines, up to the first line that is none."""
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError:
        return
    for line in lines:
        try:
            value = json.loads(line) if line.endswith(b"\n") else None
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        yield value
