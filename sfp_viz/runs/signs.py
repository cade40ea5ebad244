"""The signs of life in a run's folder, and the sentence for what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfp_viz.runs.alive import here, is_alive
from sfp_viz.runs.files import read_json
from sfp_viz.runs.state import Process, Signs, State

WORKER = "sfp_viz.runs.worker"


def read_signs(path: Path, now: float) -> tuple[Signs, dict[str, Any]]:
    """What the folder shows now, and the content of worker.json ({} without one)."""
    # Processes are looked at first, files after: a worker that ends between the two has then
    # written its outcome, and is not taken for a lost one. A worker that starts between the two
    # is looked at again.
    launch, worker = read_json(path / "launch.json"), read_json(path / "worker.json")
    for _ in range(5):
        seen = _who(launch), _who(worker)
        launched_process, worker_process = _process(launch, path), _process(worker, path)
        launch, worker = read_json(path / "launch.json"), read_json(path / "worker.json")
        if seen == (_who(launch), _who(worker)):
            break
    signs = Signs(
        finished=(path / "result.json").exists(),
        attempt=int((launch or {}).get("attempt", 0)),
        worker_attempt=int((worker or {}).get("attempt", 0)) if worker else -1,
        launched=launched_process,
        worker=worker_process,
        launch_age=max(0.0, now - float((launch or {}).get("time", 0))),
        beat_age=max(0.0, now - float(worker["time"])) if worker else 0.0,
        outcome=str((worker or {}).get("outcome", "")),
        cancel=(path / "request").exists(),
    )
    return signs, worker or {}


def message(state: State, worker: Mapping[str, Any], signs: Signs, *, kept: str) -> str:
    """What went wrong or what can be done, '' when all is well; ``kept`` is what a worker goes
    on from, such as 'the last checkpoint'."""
    if state == "failed":
        return str(worker.get("message") or "The worker failed. The details are in log.txt.")
    if state == "lost":
        if signs.worker_attempt < signs.attempt:
            return "The worker did not start. log.txt may say why. Resume starts it again."
        return (
            f"The worker died, or was killed, before it could say why. Resume goes on from {kept}."
        )
    return str(worker.get("message") or "") if state == "running" else ""


def _who(value: dict[str, Any] | None) -> tuple[Any, Any]:
    return (value or {}).get("attempt"), (value or {}).get("pid")


def _process(value: dict[str, Any] | None, path: Path) -> Process:
    if not value or not value.get("pid") or value.get("host") != here():
        return "unknown"
    if value.get("outcome"):
        return "gone"  # it said so itself: no need to look
    return "alive" if is_alive(int(value["pid"]), WORKER, path) else "gone"
