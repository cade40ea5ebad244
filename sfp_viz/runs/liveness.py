"""The signs of life in a run's folder, and the sentence for what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfp_viz.files import read_json
from sfp_viz.runs.storage.processes import hostname, is_alive
from sfp_viz.runs.storage.state import Process, Request, Signs, State

WORKER = "sfp_viz.runs.worker"
REQUEST = "request"  # one word for the worker: 'cancel' or 'pause'
SILENT = 30.0  # seconds without a heartbeat of a living worker after which the page says so
QUEUED = "queued.json"  # the run's place in line


def read_signs(path: Path, now: float) -> tuple[Signs, dict[str, Any]]:
    """What the folder shows now, and the content of worker.json ({} without one)."""
    # Processes are looked at first, files after: a worker that ends between the two has then
    # written its outcome, and is not taken for a lost one. A worker that starts between the two
    # is looked at again.
    launch, worker = read_json(path / "launch.json"), read_json(path / "worker.json")
    for _ in range(5):
        seen = _who(launch), _who(worker)
        launched_process, worker_process = _processes(path, launch, worker)
        launch, worker = read_json(path / "launch.json"), read_json(path / "worker.json")
        if seen == (_who(launch), _who(worker)):
            break
    signs = Signs(
        finished=(path / "result.json").exists(),
        attempt=int((launch or {}).get("attempt", 0)),
        worker_attempt=int((worker or {}).get("attempt", 0)) if worker else -1,
        launched=launched_process,
        worker=worker_process,
        launch_age=max(0.0, now - _asked_at(path, launch)),
        beat_age=_beat_age(path, launch, worker, now),
        outcome=str((worker or {}).get("outcome", "")),
        problem=str((launch or {}).get("problem", "")),
        said=_said_elsewhere(path, launch, worker),
        where="ray" if (launch or {}).get("where") == "ray" else "here",
        request=read_request(path),
        queued=is_queued(read_json(path / QUEUED), launch),
    )
    return signs, worker or {}


def _lost(signs: Signs, kept: str) -> str:
    if signs.attempt == 0 and signs.worker_attempt < 0:
        return "This run was laid out, but never started. Resume starts it."
    if signs.problem:
        return f"No worker could be started: {signs.problem} Resume tries again."
    if signs.worker_attempt < signs.attempt:
        return "The worker did not start. log.txt may say why. Resume starts it again."
    return (
        "The worker died, or was killed (as systems do when memory runs out), before it could say "
        f"why. Resume goes on from {kept}."
    )


def read_request(path: Path) -> Request:
    """What is asked of the worker of the run in ``path``; '' for nothing."""
    try:
        word = (path / REQUEST).read_text().strip()
    except OSError:
        return ""
    except UnicodeDecodeError:
        return "cancel"
    return "pause" if word == "pause" else "cancel"


def is_queued(queued: Mapping[str, Any] | None, launch: Mapping[str, Any] | None) -> bool:
    """Whether a place in line (queued.json) still counts: no start came after it. Its 'attempt'
    is that of the newest start when the run got into line, 0 before any; else the times count."""
    if queued is None:
        return False
    if launch is None:
        return True
    if "attempt" in queued:
        return int(launch.get("attempt", 0)) <= int(queued["attempt"])
    return float(launch.get("time", 0)) <= float(queued.get("time", 0))


def message(state: State, worker: Mapping[str, Any], signs: Signs, *, kept: str) -> str:
    """What went wrong or what can be done, '' when all is well; ``kept`` is what a worker goes
    on from, such as 'the last checkpoint'."""
    if state == "failed":
        return str(worker.get("message") or "The worker failed. The details are in log.txt.")
    if state == "lost":
        return f"{_lost(signs, kept)} {signs.said}".rstrip()
    if state == "waiting":
        return signs.said
    if state == "running" and signs.beat_age > SILENT:
        return (
            f"The worker was last heard of {signs.beat_age:.0f} seconds ago; its process is still "
            "there. The machine may be short of memory, or was asleep."
        )
    if state == "finished":  # what the result depends on, such as other conditions on the way
        return str(worker.get("message") or "")
    if state in ("running", "paused", "cancelled"):
        return str(worker.get("message") or signs.said)
    return ""


def _asked_at(path: Path, launch: Mapping[str, Any] | None) -> float:
    """When the newest start was asked for; before any, when the folder was laid out."""
    if launch is not None:
        return float(launch.get("time", 0))
    try:
        return (path / "settings.json").stat().st_mtime
    except OSError:
        return 0.0


def _who(value: dict[str, Any] | None) -> tuple[Any, Any]:
    return (value or {}).get("attempt"), (value or {}).get("pid")


def _processes(
    path: Path, launch: dict[str, Any] | None, worker: dict[str, Any] | None
) -> tuple[Process, Process]:
    """How the process that was started and the one that reported last are."""
    if launch and launch.get("where") == "ray":
        from sfp_viz.runs.ray.job_status import ray_process

        process = ray_process(path, launch, worker)
        return process, process
    if launch and launch.get("problem"):  # no process could be started
        return "gone", _process(worker, path)
    return _process(launch, path), _process(worker, path)


def _beat_age(path: Path, launch: Any, worker: Any, now: float) -> float:
    """Seconds since the last heartbeat: by its time, or, where another machine's clock wrote that,
    since its counter was seen to move."""
    if launch and launch.get("where") == "ray":
        from sfp_viz.runs.ray.job_status import ray_beat_age

        return ray_beat_age(path, launch)
    return max(0.0, now - float(worker.get("time") or 0)) if worker else 0.0


def _said_elsewhere(path: Path, launch: Any, worker: Any) -> str:
    """What a cluster says of a run that has not ended by itself."""
    if not launch or launch.get("where") != "ray":
        return ""
    reported = worker and int(worker.get("attempt", 0)) >= int(launch.get("attempt", 0))
    if reported and worker.get("outcome"):
        return ""
    from sfp_viz.runs.ray.job_status import ray_message

    return ray_message(path, launch)


def _process(value: dict[str, Any] | None, path: Path) -> Process:
    if not value or not value.get("pid") or value.get("host") != hostname():
        return "unknown"
    if value.get("outcome"):
        return "gone"  # it said so itself: no need to look
    return "alive" if is_alive(int(value["pid"]), WORKER, path) else "gone"
