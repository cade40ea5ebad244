"""The state of a run, worked out from what lies in its folder by one pure function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal[
    "waiting",  # laid out, or its worker is on its way
    "queued",  # in line: a worker is started when its turn comes
    "running",
    "pausing",  # asked to pause, and not there yet
    "paused",
    "cancelling",
    "finished",
    "cancelled",
    "failed",
    "lost",  # the worker is gone, and did not say why
]
Request = Literal["", "cancel", "pause"]  # the word in the file ``request``
STALE = 10.0  # seconds without a heartbeat after which a worker we cannot look at counts as dead
PATIENCE = 30.0  # seconds a start may take when its process cannot be looked at
OVER: frozenset[State] = frozenset({"finished", "cancelled", "failed", "lost", "paused"})
RESUMABLE: frozenset[State] = frozenset({"cancelled", "failed", "lost", "paused"})

Where = Literal["here", "ray"]  # ray: as a job of a Ray cluster
Process = Literal["alive", "gone", "unknown"]  # unknown: on another machine, or not started yet


@dataclass(frozen=True)
class Signs:
    """What a folder shows at one moment.

    ``attempt`` counts the starts that were asked for (0: none), ``worker_attempt`` is the one
    that worker.json is of. ``launched`` and ``worker`` say how their processes are; the ages are
    seconds since the start was asked for and since the last heartbeat. ``outcome`` is what the
    worker said at its end: 'cancelled', 'paused', 'failed' or ''. ``request`` is what was asked
    of the worker, ``problem`` why the newest start came to nothing, ``said`` what a cluster says
    of it, ``queued`` whether the run stands in line for its next start, ``where`` its newest
    start was.
    """

    finished: bool = False
    attempt: int = 0
    worker_attempt: int = -1
    launched: Process = "unknown"
    worker: Process = "unknown"
    launch_age: float = 0.0
    beat_age: float = 0.0
    outcome: str = ""
    request: Request = ""
    problem: str = ""
    said: str = ""
    where: Where = "here"
    queued: bool = False


def state_of(signs: Signs) -> State:
    """The state that ``signs`` add up to."""
    if signs.finished:
        return "finished"
    if signs.queued:
        return "queued"
    reported = signs.worker_attempt >= signs.attempt  # the newest start has
    if reported and signs.outcome:
        return _ENDS.get(signs.outcome, "cancelled")
    if reported:
        working = _lives(signs.worker, signs.beat_age, STALE)
    else:
        working = signs.attempt > 0 and _lives(signs.launched, signs.launch_age, PATIENCE)
    if working:
        return _ASKED.get(signs.request, "running" if reported else "waiting")
    never_started = signs.attempt == 0 and signs.worker_attempt < 0
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
