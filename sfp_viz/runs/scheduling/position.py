"""The place of a run in line, ``queued.json`` in its folder: written here and nowhere else.

Callers hold the lock of the line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, read_json, write_json
from sfp_viz.runs.folder import outside_runs
from sfp_viz.runs.liveness import QUEUED, REQUEST
from sfp_viz.runs.storage.records import Run

# What a worker needs of the one who asked for it; the dispatcher was perhaps started by another.
FORWARDED = ("SFP_VIZ_DATA", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


def order_between(orders: Sequence[float], to: int) -> float | None:
    """A number that comes at place ``to`` among the rising ``orders``; None when no number fits
    between its neighbors any more."""
    to = max(0, min(to, len(orders)))
    if not orders:
        return 0.0
    if to == 0:
        return orders[0] - 1.0
    if to == len(orders):
        return orders[-1] + 1.0
    middle = (orders[to - 1] + orders[to]) / 2
    return middle if orders[to - 1] < middle < orders[to] else None


def add_to_queue(home: Path, run: Run, line: Sequence[Run], *, front: bool) -> None:
    """Give ``run`` a place at the end of ``line`` or its ``front``, and write down what its worker
    needs of our environment. Raises RunError when that cannot be written."""
    orders = [_order(other) for other in line]
    kept = {name: os.environ[name] for name in FORWARDED if os.environ.get(name)}
    if "SFP_VIZ_DATA" in kept:
        kept["SFP_VIZ_DATA"] = str(Path(kept["SFP_VIZ_DATA"]).expanduser().absolute())
    launched = read_json(run.path / "launch.json") or {}
    entry = {
        "order": order_between(orders, 0 if front else len(orders)),
        "time": time.time(),
        "attempt": int(launched.get("attempt", 0)),
        "environment": kept,
    }
    try:
        _remember(home, run.path)
        (run.path / REQUEST).unlink(missing_ok=True)
        write_json(run.path / QUEUED, entry)
    except OSError as problem:
        raise RunError(f"The run '{run.id}' cannot be put in line: {problem}.") from problem


def reorder(run: Run, others: Sequence[Run], to: int) -> None:
    """Move ``run`` to the place ``to`` among the ``others`` in line; numbers all of them anew when
    no number is left between two. Raises RunError when that cannot be written."""
    order = order_between([_order(other) for other in others], to)
    whole = list(others)
    whole.insert(max(0, min(to, len(whole))), run)
    changes = enumerate(whole) if order is None else [(order, run)]
    try:
        for number, one in changes:
            with file_lock(one.path / "launch.lock"):  # who cancels takes it out of line under it
                entry = read_json(one.path / QUEUED)
                if entry is not None:  # one that has left meanwhile is not put back
                    write_json(one.path / QUEUED, {**entry, "order": float(number)})
    except OSError as problem:
        raise RunError(f"The run '{run.id}' cannot be moved in line: {problem}.") from problem


def remove_from_queue(path: Path) -> None:
    """Take the run in ``path`` out of line; one that never started is cancelled by that."""
    try:
        if int((read_json(path / "launch.json") or {}).get("attempt", 0)) == 0:
            (path / REQUEST).write_text("cancel\n")
        (path / QUEUED).unlink(missing_ok=True)
    except OSError as problem:
        raise RunError(f"The run '{path.name}' cannot leave the line: {problem}.") from problem


def _order(run: Run) -> float:
    return float((read_json(run.path / QUEUED) or {}).get("order", 0.0))


def _remember(home: Path, path: Path) -> None:
    """Note a folder outside of the workspace, so that the line sees it; forget those that ended."""
    if path.absolute().parent == home.absolute() / "runs":
        return
    still = [name for name in outside_runs(home) if (Path(name) / "settings.json").exists()]
    names = {name for name in still if not (Path(name) / "result.json").exists()}
    entry = {"paths": sorted({*names, str(path.absolute())})}
    write_json(home / "queue" / "outside.json", entry)
