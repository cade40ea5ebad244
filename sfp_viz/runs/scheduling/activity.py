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
from sfp_viz.runs.storage.launch_record import QUEUED, LaunchRecord, QueueEntry
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.state import State
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
            if _is_settled(path):
                continue
            run = read_run(path, now)
            if run.state == "queued":
                waiting.append((_place(path), run))
            elif run.state in WORKING:
                working.append(run)
            elif run.state in FAILED and run.kind in _NEWS and not _is_seen(path, run.launch):
                failed.append(run)
        except (SfpError, OSError, ValueError, TypeError):
            continue  # a folder that is being deleted, or is not ours
    return Activity(
        working=_newest_first(working),
        queued=tuple(run for _, run in sorted(waiting, key=lambda entry: entry[0])),
        failed=_newest_first(failed),
    )


def unfinished_folders(home: Path) -> tuple[Path, ...]:
    """Folders of runs without a result, also those that were queued from elsewhere."""
    folders: list[Path] = []
    with suppress(OSError), os.scandir(home / "runs") as entries:
        folders = [
            home / "runs" / entry.name for entry in entries if not entry.name.startswith(".")
        ]
    folders += [Path(name) for name in outside_runs(home)]
    return tuple(p for p in folders if not os.path.exists(p / "result.json"))


def mark_seen(path: Path) -> None:
    """Note that a person has looked at the run in ``path``, so that its failure is no news."""
    with suppress(OSError):
        launch = LaunchRecord.load(path)
        if not _is_seen(path, launch) and (path / "settings.json").exists():
            write_json(path / _LOOKED, {"attempt": launch.attempt}, durable=False)


def takes_slot(run: Run) -> bool:
    """Whether ``run`` takes one of the places of trainings, so that it waits for its turn."""
    return run.kind in TRAININGS


def _is_settled(path: Path) -> bool:
    """Whether there is nothing to report of the run in ``path``: it was only laid out, or its
    worker said how it ended, and that is no news. Most folders need no further look."""
    if (path / QUEUED).exists():
        return False
    launch, worker = LaunchRecord.load(path), WorkerRecord.load(path)
    if worker.attempt < 0:
        return launch.attempt == 0
    if not worker.outcome or worker.attempt < launch.attempt:
        return False
    return worker.outcome != "failed" or _is_seen(path, launch)


def _place(path: Path) -> tuple[float, float, str]:
    entry = QueueEntry.load(path) or QueueEntry()
    return entry.order, entry.time, path.name


def _is_seen(path: Path, launch: LaunchRecord) -> bool:
    """Whether a person has looked at the run in ``path`` since its newest start."""
    return (read_json(path / _LOOKED) or {}).get("attempt") == launch.attempt


def _newest_first(runs: list[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda run: (run.created, run.id), reverse=True))
