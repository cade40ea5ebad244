"""Start, watch, pause, cancel, resume and delete runs: the side that does not train."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import ray_launch
from sfp_viz.runs.launch.workers import end_group, signal_workers, workers
from sfp_viz.runs.liveness import WORKER
from sfp_viz.runs.storage.failures import DISK, shortage_of
from sfp_viz.runs.storage.launch_record import LaunchRecord, Request, leave_queue, write_request
from sfp_viz.runs.storage.processes import RUN, hostname, python_module, start_process
from sfp_viz.runs.storage.records import Run, check_startable
from sfp_viz.runs.storage.state import OVER


def launch(
    path: Path, *, environment: Mapping[str, str] | None = None, from_queue: bool = False
) -> int:
    """Start a worker on a run, in a process of its own that outlives ours; returns its number.

    Args:
        path: The folder of the run.
        environment: Variables set for the worker, beside those of this process.
        from_queue: Whether to start it only if it is still queued.

    Raises:
        RunError: A worker is at it already, the run is finished or no longer queued, or no process
            can be started; in the last case the run says so, and can be resumed.
    """
    path = path.resolve()
    with _alone(path):  # two pages may press the same button
        run = read_run(path)
        if from_queue and run.state not in ("queued", "finished"):
            raise RunError(f"The run '{run.id}' is no longer in the queue: it is {run.state}.")
        check_startable(run, queued=True)
        record = LaunchRecord(
            attempt=run.launch.attempt + 1, host=hostname(), environment=dict(environment or {})
        )
        return _start(run, record)


def _start(run: Run, record: LaunchRecord) -> int:
    path = run.path
    try:
        ray_launch.stop(path, run.launch)  # a job of it that seemed lost
        end_group(path)  # what a killed worker may have left behind
        write_request(path, "")
        replace(record, time=time.time()).save(path)
        leave_queue(path)
        with (path / "log.txt").open("ab") as log:
            variables = {**record.environment, RUN: str(path)}
            pid = start_process(python_module(WORKER, path), output=log, environment=variables)
        replace(record, time=time.time(), pid=pid).save(path)
    except OSError as problem:
        why = DISK if shortage_of(problem) == "disk" else f"{problem}."
        with suppress(OSError):
            replace(record, time=time.time(), problem=why).save(path)
        raise RunError(f"The worker of '{path.name}' cannot be started: {why}") from problem
    return pid


def request_cancel(path: Path) -> None:
    """Ask the worker to stop, and return at once; a queued run leaves the queue.

    It stops at its next step, with a checkpoint of it, or ends itself after ten seconds if it
    cannot: what came after the last checkpoint or point is then lost. The run can be resumed.
    """
    _ask(path, "cancel")


def request_pause(path: Path) -> None:
    """Ask the worker to write a checkpoint at its next step and to end, and return at once; a
    queued run leaves the queue. Resumed, it comes to the same result as without the pause."""
    _ask(path, "pause")


def _ask(path: Path, word: Request) -> None:
    with _alone(path):  # not while it is being started
        state = read_run(path).state
        if state in OVER or (state == "cancelling" and word == "pause"):
            return
        write_request(path, word)
        leave_queue(path)
    ray_launch.withdraw_job(path)


def pause(path: Path, *, wait: float = 60.0) -> Run:
    """Pause a run, and return it as it is then.

    Args:
        path: The folder of the run.
        wait: Seconds to wait for the worker.

    Raises:
        RunError: There is nothing to pause, or the worker has not paused yet; it still will, at its
            next step.
    """
    run = read_run(path)
    if run.over and run.state != "paused":
        raise RunError(f"The run '{run.id}' is {run.state}: there is nothing to pause.")
    request_pause(path)
    if not _ended(path, wait):
        raise RunError(
            f"The run '{run.id}' is in a long step and pauses after it. Cancel it to stop it "
            "sooner."
        )
    return read_run(path)


def cancel(path: Path, *, wait: float = 15.0) -> Run:
    """Stop a run and leave no process of it; returns the run as it is then.

    After ``wait`` seconds the worker's process group gets SIGTERM, and three seconds later SIGKILL.

    Args:
        path: The folder of the run.
        wait: Seconds to wait for the worker to stop by itself.

    Raises:
        RunError: It runs on another machine and does not stop.
    """
    request_cancel(path)
    if _ended(path, wait):
        end_group(path)
        return read_run(path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        ray_launch.stop(path, LaunchRecord.load(path))
        signal_workers(path, number)
        if _ended(path, 3.0):
            break
    end_group(path)
    run = read_run(path)
    if not run.over:
        raise RunError(
            f"The run '{run.id}' does not stop. If it runs on another machine, stop it there."
        )
    return run


def delete(path: Path) -> None:
    """Remove the folder of a run for good. Raises RunError while a worker is at it."""
    with locked_idle(path):
        aside = path.with_name(f".deleted-{path.name}-{time.time_ns()}")
        path.rename(aside)  # gone from the list at once
    shutil.rmtree(aside)


@contextmanager
def locked_idle(path: Path) -> Iterator[Run]:
    """Nobody starts the run in ``path`` meanwhile, so that its folder can be deleted. Raises
    RunError while a worker is at it, and for a link."""
    if path.is_symlink():
        raise RunError(f"{path} is a link to a folder elsewhere; delete it by hand.")
    with _alone(path):
        run = read_run(path)
        if not (run.over or run.state == "queued" or run.launch.attempt == 0):
            raise RunError(f"The run '{run.id}' is {run.state}. Cancel it first, then delete it.")
        yield run


def watch(path: Path, *, every: float = 0.5) -> Iterator[Run]:
    """Yield a run each time its state or history changed, until it is over.

    Args:
        path: The folder of the run.
        every: Seconds between two looks.
    """
    shown: tuple[str, int] | None = None
    while True:
        run = read_run(path)
        if (run.state, run.done) != shown:
            shown = (run.state, run.done)
            yield run
        if run.over or (run.state == "waiting" and run.launch.attempt == 0):
            return
        time.sleep(every)


def _ended(path: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        if read_run(path).over and not workers(path):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else starts or stops the run in ``path`` meanwhile."""
    if not path.is_dir():
        raise RunError(f"There is no run at {path}: its folder is gone.")
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(path / "launch.lock"))
        except OSError as problem:
            raise RunError(f"The folder {path} cannot be written to: {problem}.") from problem
        yield
