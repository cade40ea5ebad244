"""Is the worker of a run on a cluster at work? Asked by what its heartbeat says and by Ray Jobs.

Never by process numbers or clocks of other machines: the counter in worker.json must move, as seen
by the reader's own monotonic clock. Cheap, since pages ask each second: Ray is asked at most every
few seconds, in plain HTTP, and not again for a while when it does not answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sfp_viz.errors import RunError
from sfp_viz.runs.ray import jobs
from sfp_viz.runs.ray.jobs import Job
from sfp_viz.runs.ray.settings import is_own_cluster
from sfp_viz.runs.storage.launch_record import LaunchRecord
from sfp_viz.runs.storage.state import PATIENCE, STALE, Process
from sfp_viz.runs.storage.worker_record import WorkerRecord

FRESH = 2.0  # seconds for which an answer of Ray counts
SULK = 10.0  # seconds for which a cluster that did not answer is left alone
_WAIT = 1.0  # seconds that a page waits for an answer
_MOST = 5000  # runs remembered

Ask = Callable[[str, str, bool], Job]  # address, job, whether the address may hear the token


def ray_process(path: Path, launch: LaunchRecord, worker: WorkerRecord) -> Process:
    """Whether the worker of a run's newest start is at work; 'alive' also while its job is queued
    in the cluster.

    Args:
        path: The folder of the run.
        launch: Its newest start.
        worker: Its last heartbeat.
    """
    return _WATCH.process(path, launch, worker)


def ray_message(path: Path, launch: LaunchRecord) -> str:
    """What Ray says, in a sentence, of a job that has not started or failed; '' for nothing.
    Answers of the last seconds are used again.

    Args:
        path: The folder of the run.
        launch: Its newest start.
    """
    return _WATCH.sentence(path, launch)


def ray_beat_age(path: Path, launch: LaunchRecord) -> float:
    """Seconds for which a run's heartbeat was not seen to move; 0 before the first ``ray_process``.

    Args:
        path: The folder of the run.
        launch: Its newest start.
    """
    return _WATCH.still(path, launch)


@dataclass(frozen=True)
class _Sight:
    """A beat, when it was first seen, and whether another one was seen before."""

    beat: tuple[int, int]
    since: float
    moved: bool


@dataclass(frozen=True)
class _Answer:
    """The last that Ray said of a job, and when it was asked; ``silent``: since when it says
    nothing any more, for the reason ``trouble``."""

    at: float
    job: Job | None = None
    silent: float | None = None
    trouble: str = ""


class Watch:
    """Remembers what was seen of each run, and when, by ``clock``; ``ask`` asks Ray."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._sights: dict[str, _Sight] = {}
        self._answers: dict[tuple[str, str], _Answer] = {}
        self._in_vain: dict[str, tuple[float, str]] = {}  # address: when, and why

    def process(self, path: Path, launch: LaunchRecord, worker: WorkerRecord) -> Process:
        """See ``ray_process``.

        Args:
            path: The folder of the run.
            launch: Its newest start.
            worker: Its last heartbeat.
        """
        reported = worker.attempt >= launch.attempt
        if reported and worker.outcome:
            return "gone"  # it said so itself
        if not reported and not launch.job:
            return "unknown"  # it is being submitted this moment
        now = self._clock()
        sight = self._look(
            _name(path, launch), (launch.attempt, worker.beat if reported else -1), now
        )
        answer = self._answer(path, launch, now)
        unmoved = now - sight.since
        if answer.silent is not None:  # only the beat can tell, or nothing can
            patience = STALE if reported else PATIENCE
            return "alive" if min(unmoved, now - answer.silent) <= patience else "gone"
        job = answer.job or Job("UNKNOWN")
        if job.status in jobs.AT_WORK:
            return "alive" if unmoved <= STALE or not reported else "gone"
        # what watched it for Ray may have died alone: then the beat goes on
        return "alive" if sight.moved and unmoved <= STALE and not job.exited else "gone"

    def still(self, path: Path, launch: LaunchRecord) -> float:
        """See ``ray_beat_age``.

        Args:
            path: The folder of the run.
            launch: Its newest start.
        """
        sight = self._sights.get(_name(path, launch))
        return self._clock() - sight.since if sight else 0.0

    def sentence(self, path: Path, launch: LaunchRecord) -> str:
        """See ``ray_message``.

        Args:
            path: The folder of the run.
            launch: Its newest start.
        """
        if not launch.job:
            return ""
        answer = self._answer(path, launch, self._clock())
        if answer.silent is not None:
            return answer.trouble
        job = answer.job or Job("UNKNOWN")
        if job.status == "PENDING":
            return "It waits for free resources in the cluster."
        if job.status == "UNKNOWN":
            return "The cluster does not know this job: it was restarted, or no longer keeps it."
        last = [line.strip() for line in job.message.splitlines() if line.strip()][-1:]
        return f"The cluster says: {last[0]}" if job.status == "FAILED" and last else ""

    def _look(self, name: str, beat: tuple[int, int], now: float) -> _Sight:
        with self._lock:
            sight = self._sights.get(name)
            if sight is None or sight.beat != beat:
                sight = self._sights[name] = _Sight(beat, now, moved=sight is not None)
            _bound(self._sights)
            return sight

    def _answer(self, path: Path, launch: LaunchRecord, now: float) -> _Answer:
        address, job = launch.address, launch.job
        if not job:
            return _Answer(now, Job("UNKNOWN"))
        with self._lock:
            last_answer = self._answers.get((address, job), _Answer(now))
            failure = self._in_vain.get(address)
        if last_answer.job is not None and last_answer.silent is None and _counts(last_answer, now):
            return last_answer
        since = now if last_answer.silent is None else last_answer.silent
        if failure is not None and now - failure[0] < SULK:
            answer = replace(last_answer, silent=since, trouble=failure[1])
        else:
            try:
                job_now = self._ask(address, job, is_own_cluster(path, address))
                answer, failure = _Answer(now, job_now), None
            except RunError as problem:
                failure = (self._clock(), str(problem))
                answer = replace(last_answer, silent=since, trouble=failure[1])
        with self._lock:
            self._answers[(address, job)] = answer
            _bound(self._answers)
            if failure is None:
                self._in_vain.pop(address, None)
            else:
                self._in_vain[address] = failure
        return answer


def _name(path: Path, launch: LaunchRecord) -> str:
    """What a start is remembered by: its job, since one folder may go by several paths."""
    return launch.job or str(path)


def _counts(answer: _Answer, now: float) -> bool:
    """Whether an answer need not be asked for again: what is over stays over."""
    over = answer.job is not None and answer.job.status not in (*jobs.AT_WORK, "UNKNOWN")
    return over or now - answer.at < FRESH


def _bound(entries: dict[Any, Any]) -> None:
    while len(entries) > _MOST:
        entries.pop(next(iter(entries)))


_WATCH = Watch(lambda address, job, own: jobs.status(address, job, own, patience=_WAIT))
