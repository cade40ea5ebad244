"""The signs of life in a run's folder, and the message that they add up to."""

from __future__ import annotations

from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs.storage.launch_record import LaunchRecord, QueueEntry, read_request
from sfp_viz.runs.storage.processes import hostname, is_alive
from sfp_viz.runs.storage.state import Process, Signs, State
from sfp_viz.runs.storage.worker_record import WorkerRecord

WORKER = "sfp_viz.runs.worker"
SILENT = 30.0  # seconds without a heartbeat of a living worker after which the page says so


def read_signs(path: Path, now: float) -> Signs:
    """What the folder of a run shows.

    Args:
        path: The folder.
        now: The time, in seconds since 1970.

    Raises:
        RunError: launch.json, worker.json or queued.json is damaged.
    """
    try:
        return _read_signs(path, now)
    except RunError as problem:
        raise RunError(f"{problem} Delete this file; the run can then be resumed.") from problem


def _read_signs(path: Path, now: float) -> Signs:
    # Processes are checked first, files after: a worker that ends between the two has then
    # written its outcome, and is not taken for a lost one. Where a worker starts between the two,
    # both are done again.
    launch, worker = LaunchRecord.load(path), WorkerRecord.load(path)
    launch_process: Process = "unknown"
    worker_process: Process = "unknown"
    for _ in range(5):
        checked = launch.attempt, launch.pid, worker.attempt, worker.pid
        launch_process, worker_process = _processes(path, launch, worker)
        launch, worker = LaunchRecord.load(path), WorkerRecord.load(path)
        if checked == (launch.attempt, launch.pid, worker.attempt, worker.pid):
            break
    entry = QueueEntry.load(path)
    return Signs(
        launch=launch,
        worker=worker,
        queue_entry=entry if entry and entry.is_valid(launch) else None,
        request=read_request(path),
        finished=(path / "result.json").exists(),
        launch_process=launch_process,
        worker_process=worker_process,
        launch_age=max(0.0, now - _launch_time(path, launch)),
        beat_age=_beat_age(path, launch, worker, now),
        cluster_message=_cluster_message(path, launch, worker),
    )


def run_message(state: State, signs: Signs, *, resume_point: str) -> str:
    """What went wrong or what can be done.

    Args:
        state: The state of the run.
        signs: What its folder shows.
        resume_point: What a new worker goes on from, such as 'the last checkpoint'.

    Returns:
        A sentence or two; '' when all is well.
    """
    message = signs.worker.message
    if state == "failed":
        return message or "The worker failed. See log.txt for the details."
    if state == "lost":
        return f"{_lost_message(signs, resume_point)} {signs.cluster_message}".rstrip()
    if state == "waiting":
        return signs.cluster_message
    if state == "running" and signs.beat_age > SILENT:
        return (
            f"The last heartbeat of the worker is {signs.beat_age:.0f} seconds old, but its "
            "process is still there. The machine may be short of memory, or was asleep."
        )
    if state == "finished":  # what the result depends on, such as other conditions on the way
        return message
    return message or signs.cluster_message if state in ("running", "paused", "cancelled") else ""


def _lost_message(signs: Signs, resume_point: str) -> str:
    if signs.launch.attempt == 0 and signs.worker.attempt < 0:
        return "This run was created, but never started. Resume starts it."
    if signs.launch.problem:
        return f"The worker could not be started: {signs.launch.problem} Resume tries again."
    if not signs.reported:
        return "The worker did not start; log.txt may say why. Resume starts it again."
    return (
        "The worker died or was killed before it could say why. One cause is too little memory. "
        f"Resume continues from {resume_point}."
    )


def _launch_time(path: Path, launch: LaunchRecord) -> float:
    """When the newest start was asked for; before any, when the folder was created."""
    if launch.attempt:
        return launch.time
    try:
        return (path / "settings.json").stat().st_mtime
    except OSError:
        return 0.0


def _processes(path: Path, launch: LaunchRecord, worker: WorkerRecord) -> tuple[Process, Process]:
    """How the process that was started and the one that reported last are."""
    if launch.where == "ray":
        from sfp_viz.runs.ray.job_status import ray_process

        process = ray_process(path, launch, worker)
        return process, process
    return "gone" if launch.problem else _process(path, launch), _process(path, worker)


def _process(path: Path, record: LaunchRecord | WorkerRecord) -> Process:
    if not record.pid or record.host != hostname():
        return "unknown"
    if isinstance(record, WorkerRecord) and record.outcome:
        return "gone"  # it said so itself: no need to ask
    return "alive" if is_alive(record.pid, WORKER, path) else "gone"


def _beat_age(path: Path, launch: LaunchRecord, worker: WorkerRecord, now: float) -> float:
    """Seconds since the last heartbeat: by its time, or, where another machine's clock wrote that,
    since its counter was seen to move."""
    if launch.where == "ray":
        from sfp_viz.runs.ray.job_status import ray_beat_age

        return ray_beat_age(path, launch)
    return max(0.0, now - worker.time) if worker.attempt >= 0 else 0.0


def _cluster_message(path: Path, launch: LaunchRecord, worker: WorkerRecord) -> str:
    """What a cluster says of a run that has not ended by itself."""
    if launch.where != "ray" or (worker.attempt >= launch.attempt and worker.outcome):
        return ""
    from sfp_viz.runs.ray.job_status import ray_message

    return ray_message(path, launch)
