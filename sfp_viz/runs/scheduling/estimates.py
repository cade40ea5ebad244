"""When a queued run will start, estimated from epochs of runs of the same network."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sfp_viz.errors import RunError
from sfp_viz.runs.folder import TRAININGS
from sfp_viz.runs.storage.history import read_epochs
from sfp_viz.runs.storage.layout import RunSettings, local_data
from sfp_viz.runs.storage.records import Run

_SEEN = 300  # folders looked at, the newest first
_ENOUGH = 3  # runs of a network that are asked how long an epoch takes
Key = tuple[Any, ...]


def start_times(
    remaining: Sequence[float | None], lengths: Sequence[float | None], slots: int
) -> tuple[float | None, ...]:
    """Seconds until each queued run starts, in order; None where that is unknown. A run starts when
    fewer than ``slots`` runs are at work.

    Args:
        remaining: Seconds that each run at work still takes; None is unknown, taken for the
            longest.
        lengths: Seconds that each queued run takes; None is unknown.
        slots: How many runs may work at a time.
    """
    ends = sorted(math.inf if x is None else max(0.0, x) for x in remaining)
    ends = ends[
        max(0, len(ends) - slots) :
    ]  # with more at work than places, the first ends free none
    ends = [0.0] * (slots - len(ends)) + ends
    starts: list[float | None] = []
    for length in lengths:
        begins = ends.pop(0)
        starts.append(None if math.isinf(begins) else begins)
        ends = sorted([*ends, math.inf if length is None else begins + max(0.0, length)])
    return tuple(starts)


def seconds_left(run: Run, paces: dict[Key, float]) -> float | None:
    """Seconds that a working or queued run still takes; None where that is unknown.

    Args:
        run: The run; its own epochs count first.
        paces: Seconds an epoch takes, see ``epoch_seconds``.
    """
    if run.seconds_left is not None:
        return run.seconds_left
    pace = paces.get(pace_key(run))
    if run.epochs:
        pace = statistics.fmean(epoch.seconds for epoch in run.epochs)
    return None if pace is None else pace * max(0.0, run.total - run.done)


def epoch_seconds(home: Path, runs: Sequence[Run]) -> dict[Key, float]:
    """Seconds that an epoch takes by ``pace_key``: the median of the newest runs of the same
    network on the same images with the same precision. Networks without any epoch are left out.

    Args:
        home: The workspace.
        runs: The runs to estimate.
    """
    keys = {pace_key(run) for run in runs}
    times: dict[Key, list[float]] = {key: [] for key in keys}
    for path in _newest(home):
        key = _key_of_folder(path)
        if key not in times or len(times[key]) >= _ENOUGH:
            continue
        if epochs := read_epochs(path):
            times[key].append(statistics.fmean(epoch.seconds for epoch in epochs))
        if all(len(seconds) >= _ENOUGH for seconds in times.values()):
            break
    return {key: statistics.median(seconds) for key, seconds in times.items() if seconds}


def pace_key(run: Run) -> Key:
    """What two runs must share for one to tell how long an epoch of the other takes."""
    return _key(run.facts, run.data, vars(run.settings))


_SETTINGS = ("train_images", "precision", "processes")


def _key_of_folder(path: Path) -> Key | None:
    """The key of the training in ``path``; None for other runs, and what cannot be read."""
    try:
        entry = RunSettings.load(path)
    except RunError:
        return None
    if entry.kind not in TRAININGS:
        return None
    return _key(entry.facts, local_data(entry.data), entry.settings)


def _key(facts: Mapping[str, Any], data: str, settings: Mapping[str, Any]) -> Key:
    return facts.get("digest"), data, *(settings.get(name) or None for name in _SETTINGS)


def _newest(home: Path) -> list[Path]:
    folders = []
    for path in (home / "runs").glob("[!.]*/settings.json"):
        try:
            folders.append((path.stat().st_mtime_ns, path.parent))
        except OSError:
            continue  # it is being deleted
    return [path for _, path in sorted(folders, reverse=True)[:_SEEN]]
