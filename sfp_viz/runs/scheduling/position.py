"""The place of a run in the queue, ``queued.json`` in its folder: written here alone.

Callers hold the lock of the queue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, write_json
from sfp_viz.runs.folder import outside_runs
from sfp_viz.runs.storage.launch_record import QueueEntry, leave_queue, write_request
from sfp_viz.runs.storage.records import Run

# What a worker needs of the one who asked for it; the dispatcher was perhaps started by another.
FORWARDED = ("SFP_VIZ_DATA", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


def order_between(orders: Sequence[float], to: int) -> float | None:
    """A number that sorts at a place among others; None when no number fits between its neighbors.

    Args:
        orders: Rising numbers.
        to: The place, from 0.
    """
    to = max(0, min(to, len(orders)))
    if not orders:
        return 0.0
    if to == 0:
        return orders[0] - 1.0
    if to == len(orders):
        return orders[-1] + 1.0
    middle = (orders[to - 1] + orders[to]) / 2
    return middle if orders[to - 1] < middle < orders[to] else None


def add_to_queue(home: Path, run: Run, queued: Sequence[Run], *, front: bool) -> None:
    """Put a run in the queue, and write down the environment that its worker needs.

    Args:
        home: The workspace.
        run: The run to queue.
        queued: The queued runs, the next one first.
        front: Whether it is the next to start; else it is the last.

    Raises:
        RunError: Its folder, or the queue's, cannot be written to.
    """
    orders = [_order(other) for other in queued]
    environment = {name: os.environ[name] for name in FORWARDED if os.environ.get(name)}
    if "SFP_VIZ_DATA" in environment:
        environment["SFP_VIZ_DATA"] = str(Path(environment["SFP_VIZ_DATA"]).expanduser().absolute())
    order = order_between(orders, 0 if front else len(orders)) or 0.0
    try:
        _remember(home, run.path)
        write_request(run.path, "")
        QueueEntry(order, time.time(), run.launch.attempt, environment).save(run.path)
    except OSError as problem:
        raise RunError(f"The run '{run.id}' cannot be queued: {problem}.") from problem


def reorder(run: Run, others: Sequence[Run], to: int) -> None:
    """Move a run in the queue. All queued runs get new numbers where none is left between two.

    Args:
        run: The run to move.
        others: The other queued runs, in order.
        to: Its new place, from 0.

    Raises:
        RunError: A folder cannot be written to.
    """
    order = order_between([_order(other) for other in others], to)
    queued = list(others)
    queued.insert(max(0, min(to, len(queued))), run)
    changes = enumerate(queued) if order is None else [(order, run)]
    try:
        for number, moved in changes:
            with file_lock(moved.path / "launch.lock"):  # who cancels removes it under this lock
                entry = QueueEntry.load(moved.path)
                if entry is not None:  # one that has left meanwhile is not put back
                    replace(entry, order=float(number)).save(moved.path)
    except OSError as problem:
        raise RunError(f"The run '{run.id}' cannot be moved in the queue: {problem}.") from problem


def remove_from_queue(run: Run) -> None:
    """Take ``run`` out of the queue; one that never started is cancelled by that.

    Raises:
        RunError: Its folder cannot be written to.
    """
    try:
        if run.launch.attempt == 0:
            write_request(run.path, "cancel")
        leave_queue(run.path)
    except OSError as problem:
        raise RunError(f"The run '{run.id}' cannot leave the queue: {problem}.") from problem


def _order(run: Run) -> float:
    return (QueueEntry.load(run.path) or QueueEntry()).order


def _remember(home: Path, path: Path) -> None:
    """Note a folder outside of the workspace for the queue to see; forget those that ended."""
    if path.absolute().parent == home.absolute() / "runs":
        return
    existing = [name for name in outside_runs(home) if (Path(name) / "settings.json").exists()]
    names = {name for name in existing if not (Path(name) / "result.json").exists()}
    entry = {"paths": sorted({*names, str(path.absolute())})}
    write_json(home / "queue" / "outside.json", entry)
