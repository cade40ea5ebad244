"""The state of a run, worked out from what lies in its folder by one pure function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sfp_viz.runs.storage.launch_record import LaunchRecord, QueueEntry, Request
from sfp_viz.runs.storage.worker_record import WorkerRecord

State = Literal[
    "waiting",  # created, or its worker is on its way
    "queued",  # a worker is started when its turn comes
    "running",
    "pausing",  # asked to pause, and not there yet
    "paused",
    "cancelling",
    "finished",
    "cancelled",
    "failed",
    "lost",  # the worker is gone, and did not say why
]
STALE = 10.0  # seconds without a heartbeat after which a worker we cannot look at counts as dead
PATIENCE = 30.0  # seconds a start may take when its process cannot be looked at
OVER: frozenset[State] = frozenset({"finished", "cancelled", "failed", "lost", "paused"})
RESUMABLE: frozenset[State] = frozenset({"cancelled", "failed", "lost", "paused"})

Process = Literal["alive", "gone", "unknown"]  # unknown: on another machine, or not started yet


@dataclass(frozen=True)
class Signs:
    """What the folder of a run shows at one moment.

    Attributes:
        launch: The newest start.
        worker: The last heartbeat.
        queue_entry: The run's place in the queue, where it waits for its next start.
        request: What the worker is asked to do.
        finished: Whether there is a result.
        launch_process: How the process of the newest start is.
        worker_process: How the process that reported last is.
        launch_age: Seconds since the newest start was asked for.
        beat_age: Seconds since the last heartbeat.
        cluster_message: What a cluster says of the newest start; '' for nothing.
    """

    launch: LaunchRecord = field(default_factory=LaunchRecord)
    worker: WorkerRecord = field(default_factory=WorkerRecord)
    queue_entry: QueueEntry | None = None
    request: Request = ""
    finished: bool = False
    launch_process: Process = "unknown"
    worker_process: Process = "unknown"
    launch_age: float = 0.0
    beat_age: float = 0.0
    cluster_message: str = ""

    @property
    def reported(self) -> bool:
        """Whether the worker of the newest start has reported."""
        return self.worker.attempt >= self.launch.attempt


def state_of(signs: Signs) -> State:
    """The state that ``signs`` add up to."""
    if signs.finished:
        return "finished"
    if signs.queue_entry is not None:
        return "queued"
    attempt, reported = signs.launch.attempt, signs.reported
    if reported and signs.worker.outcome:
        return _ENDS.get(signs.worker.outcome, "cancelled")
    if reported:
        working = _lives(signs.worker_process, signs.beat_age, STALE)
    else:
        working = attempt > 0 and _lives(signs.launch_process, signs.launch_age, PATIENCE)
    if working:
        return _ASKED.get(signs.request, "running" if reported else "waiting")
    never_started = attempt == 0 and signs.worker.attempt < 0
    if signs.request == "cancel":
        return "cancelled"
    if never_started and signs.request == "pause":
        return "paused"
    if never_started and signs.launch_age <= PATIENCE:
        return "waiting"
    return "lost"  # also when it was to pause: what came after its last checkpoint is gone


_ENDS: dict[str, State] = {"failed": "failed", "paused": "paused"}
_ASKED: dict[str, State] = {"cancel": "cancelling", "pause": "pausing"}


def _lives(process: Process, age: float, patience: float) -> bool:
    return process == "alive" or (process == "unknown" and age <= patience)
