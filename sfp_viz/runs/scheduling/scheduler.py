"""Whose turn it is: starts queued runs while slots are free.

Callers hold the lock of the queue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sfp_viz.errors import SfpError
from sfp_viz.files import file_lock
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.scheduling.activity import Activity
from sfp_viz.runs.scheduling.position import FORWARDED
from sfp_viz.runs.storage.launch_record import LaunchRecord, QueueEntry, leave_queue
from sfp_viz.runs.storage.processes import hostname
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.worker_record import WorkerRecord

_CARDS = "CUDA_VISIBLE_DEVICES"


def start_next(
    activity: Activity, busy: Sequence[Run], slots: int, cards: Sequence[str]
) -> list[Path]:
    """Start queued runs in order while they fit; returns the folders of those that were started.

    Args:
        activity: The activity of the workspace.
        busy: The trainings at work on this machine.
        slots: How many places there are.
        cards: The GPUs; if there are several, each run gets its own.
    """
    started: list[Path] = []
    taken = [card for run in busy for card in _cards_of(run, cards)]
    used = sum(slots_needed(run, slots, cards) for run in busy)
    for run in activity.queued:
        needed = slots_needed(run, slots, cards)
        if used > 0 and used + needed > slots:
            break  # nobody overtakes: a run that needs many places would never get them
        gpus = free_gpus(taken, cards, processes_of(run)) if len(cards) > 1 else ()
        if _start(run.path, gpus):
            started.append(run.path)
            taken += gpus
            used += needed
    return started


def slots_needed(run: Run, slots: int, cards: Sequence[str]) -> int:
    """How many places a run takes: one, or one for each process that trains on a GPU.

    Args:
        run: The run.
        slots: How many places there are; no run takes more.
        cards: The GPUs.
    """
    return min(slots, processes_of(run)) if cards else 1


def processes_of(run: Run) -> int:
    """How many data-parallel processes train ``run``, 1 or more."""
    return max(1, int(getattr(run.settings, "processes", 1) or 1))


def free_gpus(taken: Sequence[str], cards: Sequence[str], count: int) -> tuple[str, ...]:
    """The GPUs that are taken least often, in their order.

    Args:
        taken: Names of GPUs, once for each run that uses them.
        cards: All GPUs.
        count: How many are needed.
    """
    least = sorted(range(len(cards)), key=lambda at: (list(taken).count(cards[at]), at))
    return tuple(cards[at] for at in sorted(least[:count]))


def _cards_of(run: Run, cards: Sequence[str]) -> tuple[str, ...]:
    """The cards that a run at work was given; one started outside of the queue takes the first."""
    visible = run.launch.environment.get(_CARDS, "")
    names = tuple(name for name in visible.split(",") if name)
    return names or tuple(cards[: processes_of(run)])


def _start(path: Path, cards: Sequence[str]) -> bool:
    """Start the worker of the run in ``path``, which has its turn; whether that went well.

    What goes wrong is written into the run's folder as its end, and the queue continues. If not
    even that can be written, the run stays queued, and does not hold up the others.
    """
    entry = QueueEntry.load(path) or QueueEntry(attempt=0)
    forwarded = _forwarded(entry.environment)
    variables = {name: word for name, word in forwarded.items() if os.environ.get(name) != word}
    if cards and _CARDS not in variables:  # nobody asked for others than we see
        variables[_CARDS] = ",".join(cards)
    try:
        process.launch(path, environment=variables or None, from_queue=True)
    except (SfpError, OSError) as problem:
        with suppress(OSError, SfpError):
            _give_up(path, entry.attempt or 0, str(problem))
        return False
    with suppress(OSError):
        leave_queue(path)  # the newer start counts, whether it goes or not
    return True


def _give_up(path: Path, attempt: int, problem: str) -> None:
    """Write down that no worker could be started, in the place of the worker that never was."""
    with file_lock(path / "launch.lock"):
        launch = LaunchRecord.load(path)
        newer = launch.attempt > attempt
        if newer and launch.pid:
            leave_queue(path)  # somebody else started it meanwhile
            return
        if not newer and read_run(path).state != "queued":
            return  # somebody took it out of the queue meanwhile
        end = replace(
            WorkerRecord.load(path),
            attempt=launch.attempt or attempt,
            pid=0,
            host=hostname(),
            beat=0,
            phase="ended",
            outcome="failed",
            message=f"It could not be started when its turn came. {problem}",
            time=time.time(),
        )
        end.save(path)
        leave_queue(path)


def _forwarded(environment: Mapping[str, Any]) -> dict[str, str]:
    """What a queued run wants of its worker's environment: only what we write down ourselves,
    since a folder from elsewhere could name anything."""
    return {n: environment[n] for n in FORWARDED if isinstance(environment.get(n), str)}
