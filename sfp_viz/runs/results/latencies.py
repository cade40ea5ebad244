"""Measured latencies of finished runs, kept in the workspace with device, threads and batch.

``latencies.jsonl`` is added to line by line by one process at a time, the worker that
``start_timing`` starts; ``timing.json`` says what that worker is at. Estimates never come here.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sfp_viz.core.measurement import Measured
from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, write_json
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.json_record import load_record
from sfp_viz.runs.storage.processes import hostname, is_alive, python_module, start_process

WORKER = "sfp_viz.runs.work.latencies"
FILE, JOB, TODO = "latencies.jsonl", "timing.json", "timing-todo.json"
WHOLE = "whole:"  # before a digest: the unpruned network


@dataclass(frozen=True)
class Condition:
    """What a latency holds for: times of different conditions are never set beside each other."""

    device: str
    threads: int
    batch: int
    host: str = ""

    def __str__(self) -> str:
        images = "1 image" if self.batch == 1 else f"{self.batch} images"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{images} on {self.device}, {threads}" + (f", {self.host}" if self.host else "")


@dataclass(frozen=True)
class RunLatency:
    """One measurement: of the run ``subject`` that ``ended`` then (another end is another
    network), or of 'whole:' and a digest; ``ms`` is the median of ``repeats``, ``iqr`` its
    quartiles; ``at`` in seconds since 1970."""

    subject: str
    ended: float
    device: str
    threads: int
    batch: int
    host: str
    ms: float
    iqr: tuple[float, float]
    repeats: int
    torch: str
    at: float

    @property
    def condition(self) -> Condition:
        """What it holds for."""
        return Condition(self.device, self.threads, self.batch, self.host)

    @property
    def measured(self) -> Measured:
        """The same as a Measured."""
        return Measured(
            latency_ms=self.ms, latency_iqr_ms=self.iqr, batch=self.batch, threads=self.threads,
            repeats=self.repeats, device=self.device,
        )  # fmt: skip


@dataclass(frozen=True)
class TimingRequest:
    """``timing-todo.json``: what the worker is to time.

    Attributes:
        batch: Images per forward pass.
        threads: CPU threads.
        subjects: Of each network the name, the time at which its run ended, and the file.
    """

    batch: int = 1
    threads: int = 1
    subjects: tuple[tuple[str, float, str], ...] = ()


@dataclass(frozen=True)
class _Job:
    """``timing.json``: the worker's process, how far it is, and whether it is done."""

    pid: int = 0
    host: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    over: bool = False

    def alive(self, home: Path) -> bool:
        """Whether the worker of the workspace ``home`` is at work on this machine."""
        unfinished = self.host == hostname() and not self.over
        return unfinished and is_alive(self.pid, WORKER, home.resolve())


@dataclass(frozen=True)
class Timing:
    """What the worker that measures is at: ``done`` of ``total``; ``message`` says what failed,
    ``alive`` whether it still works."""

    done: int
    total: int
    message: str
    alive: bool


def read_latencies(home: Path) -> dict[Condition, dict[str, RunLatency]]:
    """The newest measurement of each subject under each condition; damaged lines are left out."""
    by_condition: dict[Condition, dict[str, RunLatency]] = {}
    for latency in _lines(home / FILE):
        by_condition.setdefault(latency.condition, {})[latency.subject] = latency
    return by_condition


def latencies_of_runs(
    timed: dict[str, RunLatency], runs: Sequence[Summary]
) -> dict[str, RunLatency]:
    """The latencies that are of the given runs as they are now, and those of unpruned networks.

    Args:
        timed: Latencies by subject.
        runs: Finished runs.
    """
    ends = {run.id: run.ended for run in runs}
    return {
        name: latency for name, latency in timed.items()
        if name.startswith(WHOLE) or ends.get(name) == latency.ended
    }  # fmt: skip


def start_timing(
    home: Path, subjects: Sequence[tuple[str, float, Path]], *, batch: int = 1, threads: int = 1
) -> None:
    """Time networks one after the other, in a process of its own that outlives ours.

    Args:
        home: The workspace.
        subjects: Of each network the name, the time at which its run ended, and the file.
        batch: Images per forward pass.
        threads: CPU threads.

    Raises:
        RunError: Another process is timing.
    """
    home.mkdir(parents=True, exist_ok=True)
    with file_lock(home / "timing.lock"):
        if (timing := read_timing(home)) and timing.alive:
            raise RunError("Latencies are being measured already. Wait for them, or cancel first.")
        files = tuple((name, ended, str(file)) for name, ended, file in subjects)
        write_json(home / TODO, asdict(TimingRequest(batch, threads, files)))
        with (home / "timing-log.txt").open("wb") as log:
            pid = start_process(python_module(WORKER, home), output=log)
        write_job(home, pid=pid, done=0, total=len(files))


def read_timing(home: Path) -> Timing | None:
    """What is being measured, or was last; None when nothing ever was."""
    job = load_record(_Job, home / JOB)
    if job is None:
        return None
    alive, message = job.alive(home), job.message
    if not alive and not job.over:
        message = message or "The measuring process ended early."
    return Timing(job.done, job.total, message, alive)


def cancel_timing(home: Path) -> None:
    """Stop measuring and leave no process of it; what was measured stays."""
    job = load_record(_Job, home / JOB)
    if job is None or not job.alive(home):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(job.pid, number)  # it was started as the head of its own group
        until = time.monotonic() + 3
        while time.monotonic() < until:
            if not is_alive(job.pid, WORKER, home.resolve()):
                newest = load_record(_Job, home / JOB) or job
                write_job(home, **asdict(replace(newest, over=True, message="Cancelled.")))
                return
            time.sleep(0.02)


def write_job(home: Path, **values: Any) -> None:
    """Say what the worker is at."""
    write_json(home / JOB, {"host": hostname(), **values}, durable=False)


def append_latency(home: Path, latency: RunLatency) -> None:
    """Add a measurement to the file of latencies.

    Args:
        home: The workspace.
        latency: The measurement.
    """
    with (home / FILE).open("a") as lines:
        lines.write(json.dumps(asdict(latency)) + "\n")


def _lines(file: Path) -> Iterator[RunLatency]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            value = json.loads(line)
            low, high = value["iqr"]
            latency = RunLatency(**{**value, "iqr": (float(low), float(high))})
            if latency.ms > 0:
                yield latency
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
