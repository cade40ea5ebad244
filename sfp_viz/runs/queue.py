"""The queue in which trainings wait for their turn. ``python -m sfp_viz.runs.queue HOME``

A queued run has ``queued.json`` in its folder: its place, and the environment for its worker.
Whoever queues a run starts it at once where a slot is free; otherwise the dispatcher does, a small
process without torch that lives until the queue is empty. So the queue continues when the app is
closed and when a worker dies; if the dispatcher itself is killed, the next look at the queue starts
another (``ensure_dispatcher``).
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, read_json, write_json
from sfp_viz.runs.folder import TRAININGS, read_run, workspace_of
from sfp_viz.runs.scheduling.activity import Activity, read_activity
from sfp_viz.runs.scheduling.estimates import epoch_seconds, seconds_left, start_times
from sfp_viz.runs.scheduling.position import add_to_queue, remove_from_queue, reorder
from sfp_viz.runs.scheduling.scheduler import start_next
from sfp_viz.runs.scheduling.slots import gpus, slot_count
from sfp_viz.runs.storage.launch_record import LaunchRecord
from sfp_viz.runs.storage.processes import hostname, is_alive, python_module, start_process
from sfp_viz.runs.storage.records import Run, check_startable

MODULE = "sfp_viz.runs.queue"
_LOOK = 1.0  # seconds between looks of the dispatcher
_PATIENCE = 15.0  # seconds to wait for another process that changes the queue


def enqueue(path: Path, *, home: Path | None = None, front: bool = False, where: str = "") -> Run:
    """Put a run in the queue, and return it as it is then. It starts at once where a slot is free.
    A run that is queued already keeps its place, or moves to the front.

    Args:
        path: The folder of the run.
        home: The workspace; by default the one that the folder lies in.
        front: Whether it is the next to start; else it is the last.
        where: 'here', or 'ray' for the Ray cluster, which has its own queue; '' is where it ran
            before.

    Raises:
        RunError: The run is at work or finished.
    """
    if (where or LaunchRecord.load(path).where) == "ray":
        from sfp_viz.runs.launch import ray_launch

        ray_launch.submit(path)
        return read_run(path)
    home = home or workspace_of(path)
    with _alone(home):
        run, queued = read_run(path), queued_runs(home)
        if run.state != "queued":
            check_startable(run)
            slot_count(home)  # a number that is none is told to the person who asks, not to a log
            add_to_queue(home, run, queued, front=front)
        elif front:
            reorder(run, [other for other in queued if other.path != path], 0)
        _advance(home)
    ensure_dispatcher(home)
    return read_run(path)


def withdraw(path: Path, *, home: Path | None = None) -> None:
    """Take a run out of the queue. If it never started it is cancelled then, else it is what it was
    before; either can be resumed.

    Args:
        path: The folder of the run.
        home: The workspace; by default the one that the folder lies in.

    Raises:
        RunError: The run is not queued.
    """
    with _alone(home or workspace_of(path)):
        remove_from_queue(_queued_run(path))


def move(path: Path, to: int, *, home: Path | None = None) -> None:
    """Move a run in the queue.

    Args:
        path: The folder of the run.
        to: The new place: 0 is the next to start; a place past the end is the last.
        home: The workspace; by default the one that the folder lies in.

    Raises:
        RunError: The run is not queued.
    """
    home = home or workspace_of(path)
    with _alone(home):
        run = _queued_run(path)
        reorder(run, [other for other in queued_runs(home) if other.path.name != run.path.name], to)


def queued_runs(home: Path) -> tuple[Run, ...]:
    """The queued runs, the next one first."""
    return read_activity(home).queued


def expected_starts(home: Path, activity: Activity | None = None) -> dict[str, float | None]:
    """Seconds until each queued run starts, by its id: estimated from epochs of runs of the same
    network; None where there are none.

    Args:
        home: The workspace.
        activity: Its activity, where that was just read.
    """
    activity = activity or read_activity(home)
    busy = _busy(activity)
    paces = epoch_seconds(home, [*busy, *activity.queued]) if activity.queued else {}
    remaining = [seconds_left(run, paces) for run in busy]
    times = start_times(
        remaining, [seconds_left(run, paces) for run in activity.queued], slot_count(home)
    )
    return {run.id: seconds for run, seconds in zip(activity.queued, times, strict=True)}


def start_waiting(home: Path) -> tuple[Path, ...]:
    """Start the queued runs for which a slot is free; returns the folders of those started.

    Any number of processes may call it at once. A run that cannot be started fails with a
    sentence, and the next one has its turn.
    """
    with _alone(home):
        return _advance(home)


def ensure_dispatcher(
    home: Path, *, activity: Activity | None = None, command: Sequence[str] | None = None
) -> None:
    """Start the dispatcher if runs are queued and none is alive.

    Args:
        home: The workspace.
        activity: Its activity, where that was just read.
        command: Another process than ours, for tests.
    """
    if not (activity or read_activity(home)).queued or dispatcher_pid(home):
        return
    room = _room(home)
    with suppress(OSError), file_lock(room / "start.lock", patience=2.0) as locked:
        if locked and not dispatcher_pid(home):
            with (room / "log.txt").open("wb") as log:
                pid = start_process(command or python_module(MODULE, home), output=log)
            write_json(room / "dispatcher.json", {"pid": pid, "host": hostname()})


def dispatcher_pid(home: Path) -> int | None:
    """The number of the living dispatcher of the workspace, None without one. One on another
    machine that shares the workspace counts while it holds its lock."""
    room = _room(home)
    record = read_json(room / "dispatcher.json")
    if not record or not record.get("pid"):
        return None
    if record.get("host") == hostname():
        return int(record["pid"]) if is_alive(int(record["pid"]), MODULE, home) else None
    with file_lock(room / "dispatcher.lock", patience=0.0) as free:
        return None if free else int(record["pid"])


def serve(home: Path, *, look: float = _LOOK) -> None:
    """Start queued runs as slots become free, until none is left. Never two at once.

    Args:
        home: The workspace.
        look: Seconds between two looks at the queue.
    """
    room = _room(home)
    with file_lock(room / "dispatcher.lock", patience=2.0) as alone:
        if not alone:
            return
        with file_lock(room / "start.lock"):
            write_json(room / "dispatcher.json", {"pid": os.getpid(), "host": hostname()})
        while room.is_dir():
            try:
                start_waiting(home)
            except Exception:  # a full disk may have room again: the queue goes on
                traceback.print_exc()
            if not queued_runs(home):
                with file_lock(room / "start.lock"):
                    if not queued_runs(home):  # one may have come in this very moment
                        (room / "dispatcher.json").unlink(missing_ok=True)
                        return
            time.sleep(look)


def _advance(home: Path) -> tuple[Path, ...]:
    activity = read_activity(home)
    if not activity.queued:
        return ()
    return tuple(start_next(activity, _busy(activity), slot_count(home), gpus()))


def _busy(activity: Activity) -> list[Run]:
    """The trainings at work on this machine."""
    host = hostname()
    return [
        run
        for run in activity.working
        if run.kind in TRAININGS and run.launch.where != "ray" and run.launch.host == host
    ]


def _queued_run(path: Path) -> Run:
    run = read_run(path)
    if run.state != "queued":
        raise RunError(f"The run '{run.id}' is not in the queue any more: it is {run.state}.")
    return run


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the lock of the queue; the system lets go of it when a process dies."""
    try:
        _room(home).mkdir(parents=True, exist_ok=True)
        with file_lock(_room(home) / "lock", patience=_PATIENCE) as locked:
            if locked:
                yield
                return
    except OSError as problem:
        raise RunError(f"The queue in {_room(home)} cannot be changed: {problem}.") from problem
    raise RunError(
        f"Another process has locked the queue in {_room(home)} for {_PATIENCE:.0f} s. Try again; "
        "if that does not help, end that process."
    )


def _room(home: Path) -> Path:
    return home / "queue"


def main() -> int:
    """Serve the workspace named on the command line."""
    if len(sys.argv) != 2:
        print("Usage: python -m sfp_viz.runs.queue HOME", file=sys.stderr)
        return 2
    with suppress(OSError):
        os.nice(5)
    home = Path(sys.argv[1]).resolve()
    os.environ["SFP_VIZ_HOME"] = str(home)  # for the workers
    serve(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
