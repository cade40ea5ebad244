"""What goes on in a workspace: runs that work, queued runs, and failures that nobody has seen.

Cheap however many runs there are: a folder with result.json is over, and only folders without one
are opened.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sfp_viz.errors import SfpError
from sfp_viz.files import read_json, write_json
from sfp_viz.runs.folder import SWEEP, TRAININGS, outside_runs, read_run
from sfp_viz.runs.liveness import read_signs
from sfp_viz.runs.storage.launch_record import QUEUED, LaunchRecord, QueueEntry
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.state import State, state_of
from sfp_viz.runs.storage.worker_record import WorkerRecord

WORKING: frozenset[State] = frozenset({"waiting", "running", "pausing", "cancelling"})
FAILED: frozenset[State] = frozenset({"failed", "lost"})
_NEWS = (*TRAININGS, SWEEP)  # a study says that it failed where it was asked for
_LOOKED = "looked.json"  # in the folder of a run: the start whose failure a person has seen


@dataclass(frozen=True)
class Activity:
    """``working``: runs with a worker at them or on its way, the newest first. ``queued``: queued
    runs, the next one first. ``failed``: trainings and sweeps that failed or lost their worker and
    were not looked at since, the newest first."""

    working: tuple[Run, ...] = ()
    queued: tuple[Run, ...] = ()
    failed: tuple[Run, ...] = ()


def read_activity(home: Path) -> Activity:
    """What goes on in the workspace ``home`` now."""
    now = time.time()
    working: list[Run] = []
    failed: list[Run] = []
    waiting: list[tuple[tuple[float, float, str], Run]] = []
    for path in unfinished_folders(home):
        try:
            state = _state(path, now)
            if state == "queued":
                waiting.append((_place(path), read_run(path, now)))
            elif state in WORKING:
                working.append(read_run(path, now))
            elif state in FAILED and not _looked_at(path):
                run = read_run(path, now)
                failed += [run] if run.kind in _NEWS else []
        except (SfpError, OSError, ValueError, TypeError):
            continue  # a folder that is being deleted, or is not ours
    return Activity(
        working=_newest_first(working),
        queued=tuple(run for _, run in sorted(waiting, key=lambda entry: entry[0])),
        failed=_newest_first(failed),
    )


def unfinished_folders(home: Path) -> tuple[Path, ...]:
    """Folders of runs without a result, also those that were queued from elsewhere."""
    found: list[Path] = []
    with suppress(OSError), os.scandir(home / "runs") as entries:
        found = [home / "runs" / it.name for it in entries if not it.name.startswith(".")]
    found += [Path(name) for name in outside_runs(home)]
    return tuple(p for p in found if not os.path.exists(p / "result.json"))


def mark_seen(path: Path) -> None:
    """Note that a person has looked at the run in ``path``, so that its failure is no news."""
    with suppress(OSError):
        if not _looked_at(path) and (path / "settings.json").exists():
            entry = {"attempt": LaunchRecord.load(path).attempt}
            write_json(path / _LOOKED, entry, durable=False)


def takes_slot(run: Run) -> bool:
    """Whether ``run`` takes one of the places of trainings, so that it waits for its turn."""
    return run.kind in TRAININGS


def _state(path: Path, now: float) -> State | None:
    """The state of a run that is not finished; None for one that was only laid out. What its
    worker said at its end is believed without looking for processes."""
    launch, worker = LaunchRecord.load(path), WorkerRecord.load(path)
    queued = (path / QUEUED).exists()
    if not queued and launch.attempt == 0 and worker.attempt < 0:
        return None
    if worker.outcome and not queued and worker.attempt >= launch.attempt:
        return "failed" if worker.outcome == "failed" else "cancelled"
    return state_of(read_signs(path, now))


def _place(path: Path) -> tuple[float, float, str]:
    entry = QueueEntry.load(path) or QueueEntry()
    return entry.order, entry.time, path.name


def _looked_at(path: Path) -> bool:
    seen = read_json(path / _LOOKED)
    return seen is not None and seen.get("attempt") == LaunchRecord.load(path).attempt


def _newest_first(runs: list[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda run: (run.created, run.id), reverse=True))
