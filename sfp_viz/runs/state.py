"""The state of a run, worked out from what lies in its folder by one pure function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "running", "cancelling", "finished", "cancelled", "failed", "lost"]
STALE = 10.0  # seconds without a heartbeat after which a worker we cannot look at counts as dead
PATIENCE = 30.0  # seconds a start may take when its process cannot be looked at
OVER: frozenset[State] = frozenset({"finished", "cancelled", "failed", "lost"})
RESUMABLE: frozenset[State] = frozenset({"cancelled", "failed", "lost"})

Process = Literal["alive", "gone", "unknown"]  # unknown: on another machine, or not started yet


@dataclass(frozen=True)
class Signs:
    """What a folder shows at one moment.

    ``attempt`` counts the starts that were asked for (0: none), ``worker_attempt`` is the one
    that worker.json is of. ``launched`` and ``worker`` say how their processes are; the ages are
    seconds since the start was asked for and since the last heartbeat. ``outcome`` is what the
    worker said at its end: 'cancelled', 'failed' or ''.
    """

    finished: bool = False
    attempt: int = 0
    worker_attempt: int = -1
    launched: Process = "unknown"
    worker: Process = "unknown"
    launch_age: float = 0.0
    beat_age: float = 0.0
    outcome: str = ""
    cancel: bool = False


def state_of(signs: Signs) -> State:
    """The state that ``signs`` add up to."""
    if signs.finished:
        return "finished"
    if signs.worker_attempt >= signs.attempt:  # the newest start has reported
        if signs.outcome:
            return "failed" if signs.outcome == "failed" else "cancelled"
        working = _lives(signs.worker, signs.beat_age, STALE)
        at_work: State = "running"
    else:
        working = signs.attempt > 0 and _lives(signs.launched, signs.launch_age, PATIENCE)
        at_work = "waiting"
    if working:
        return "cancelling" if signs.cancel else at_work
    if signs.cancel:
        return "cancelled"
    never_started = signs.attempt == 0 and signs.worker_attempt < 0
    return "waiting" if never_started else "lost"


def _lives(process: Process, age: float, patience: float) -> bool:
    return process == "alive" or (process == "unknown" and age <= patience)
