"""Start, watch, cancel, resume and delete runs: the side that does not train."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs.alive import here, is_alive, python_module, start
from sfp_viz.runs.files import locked, read_json, write_json, write_whole
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.records import Run
from sfp_viz.runs.signs import WORKER
from sfp_viz.runs.state import RESUMABLE


def launch(path: Path) -> int:
    """Start a worker on the run in ``path``, in a process of its own; returns its number.

    The worker outlives us. Raises RunError when one is at work already, or the run is finished.
    """
    path = path.resolve()
    with locked(path / "launch.lock"):  # two pages may press the same button
        run = read_run(path)
        launched = read_json(path / "launch.json")
        if run.state == "finished":
            raise RunError(f"The run '{run.id}' is finished; there is nothing left to do.")
        fresh = run.state == "queued" or (run.state == "waiting" and launched is None)
        if not (fresh or run.state in RESUMABLE):
            raise RunError(f"The run '{run.id}' is {run.state} already.")
        (path / "request").unlink(missing_ok=True)
        entry = {"attempt": int((launched or {}).get("attempt", 0)) + 1, "host": here()}
        write_json(path / "launch.json", {**entry, "time": time.time()})
        try:
            with (path / "log.txt").open("ab") as log:
                pid = start(python_module(WORKER, path), output=log)
        except OSError as problem:
            raise RunError(f"No worker can be started for '{run.id}': {problem}.") from problem
        write_json(path / "launch.json", {**entry, "time": time.time(), "pid": pid})
    return pid


def resume(path: Path) -> int:
    """Go on from the last checkpoint of a run that is lost, cancelled or failed."""
    run = read_run(path)
    if run.state not in RESUMABLE:
        raise RunError(f"The run '{run.id}' is {run.state}; only a stopped one can be resumed.")
    return launch(path)


def request_cancel(path: Path) -> None:
    """Ask the worker to stop, and return at once.

    It stops at its next step, or ends itself after ten seconds if it cannot. What came after the
    last checkpoint or point is lost; the run can be resumed.
    """
    if read_run(path).over:
        return
    write_whole(path / "request", "cancel\n")


def cancel(path: Path, *, wait: float = 15.0) -> Run:
    """Stop the run and leave no process of it; returns the run as it is then.

    Asks first, and waits up to ``wait`` seconds; then SIGTERM, three seconds, then SIGKILL, to
    the worker's own process group only. Raises RunError when it runs on another machine and
    does not stop.
    """
    request_cancel(path)
    if _ended(path, wait):
        return read_run(path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _workers(path):
            _signal_group(pid, number)
        if _ended(path, 3.0):
            return read_run(path)
    run = read_run(path)
    if not run.over:
        raise RunError(
            f"The run '{run.id}' does not stop. If it works on another machine, stop it there."
        )
    return run


def delete(path: Path) -> None:
    """Remove the folder of a run for good. Raises RunError while a worker is at it."""
    run = read_run(path)
    if not run.over and (path / "launch.json").exists():
        raise RunError(f"The run '{run.id}' is {run.state}. Cancel it first, then delete it.")
    if path.is_symlink():
        raise RunError(f"{path} is a link to a folder elsewhere; delete it by hand.")
    aside = path.with_name(f".deleted-{path.name}-{time.time_ns()}")
    path.rename(aside)  # gone from the list at once
    shutil.rmtree(aside)


def watch(path: Path, *, every: float = 0.5) -> Iterator[Run]:
    """Yield the run each time its state or history changed, until it is over."""
    seen: tuple[str, int] | None = None
    while True:
        run = read_run(path)
        if (run.state, run.done) != seen:
            seen = (run.state, run.done)
            yield run
        if run.over or (run.state == "waiting" and not (path / "launch.json").exists()):
            return
        time.sleep(every)


def _ended(path: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        if read_run(path).over and not _workers(path):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)


def _workers(path: Path) -> set[int]:
    """Numbers of the living workers of this run on this machine."""
    known = (read_json(path / "worker.json"), read_json(path / "launch.json"))
    pids = {int(k["pid"]) for k in known if k and k.get("pid") and k.get("host") == here()}
    return {pid for pid in pids if is_alive(pid, WORKER, path)}


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        if os.getpgid(pid) == pid:  # started by us, as the head of its own group
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass
