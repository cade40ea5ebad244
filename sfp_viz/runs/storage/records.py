"""What a run's folder says, as values: Before, Result, Point, Finding and Run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfp_viz.core.evidence.study import Study
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError
from sfp_viz.runs.storage.launch_record import LaunchRecord, Where
from sfp_viz.runs.storage.state import OVER, RESUMABLE, State
from sfp_viz.runs.storage.worker_record import WorkerRecord


@dataclass(frozen=True)
class Before:
    """Measured before the first epoch, on the test images: accuracies 0..1, and counted on the
    network that is trained: MACs and params. ``teacher_accuracy`` is None without a teacher."""

    one_shot: float
    teacher_accuracy: float | None
    images: int
    macs: int
    params: int
    started: float


@dataclass(frozen=True)
class Result:
    """What a finished run came to. Accuracies 0..1 measured on ``images`` test images, with the
    95 % Wilson ``interval`` of the last epoch's; MACs and params counted on the network;
    ``seconds`` of training and testing; ``started`` and ``ended`` in seconds since 1970."""

    accuracy: float
    interval: tuple[float, float]
    images: int
    one_shot: float
    macs: int
    params: int
    teacher_accuracy: float | None
    seconds: float
    started: float
    ended: float


@dataclass(frozen=True)
class Point:
    """One line of a study: the task (such as a group and its width), what was measured, and the
    seconds it took. Tasks are tuples of words and numbers, values what JSON can say."""

    task: tuple[str | int | float, ...]
    value: Any
    seconds: float


@dataclass(frozen=True)
class Finding:
    """What a finished study came to, in short: of the weights with ``digest``, on ``images``
    images of ``data`` (0 and '' for a latency). What was found itself lies in ``file``.
    ``seconds`` of measuring; ``started`` and ``ended`` in seconds since 1970."""

    digest: str
    file: str
    data: str
    images: int
    seconds: float
    started: float
    ended: float


@dataclass(frozen=True)
class Run:
    """A snapshot of a run's folder, not a handle.

    ``kind`` is 'finetune', or that of its ``study``: then ``settings`` mean nothing, ``points``
    are its history and ``finding`` is its result. ``done`` of ``total`` epochs or points are
    there (for 'observe' images looked at; ``total`` is 0 until a study has counted them);
    ``seconds_left`` is estimated from epochs or points.
    ``message`` says, in a sentence, what went wrong or what can be done; '' when all is well.
    ``trouble`` is 'memory' or 'disk' where a failed run lacked that (``copying.copy_with`` makes
    one with half the batch), else ''. ``where`` it works or worked last: on a machine of its own
    choice, 'here', or as a job of a cluster, 'ray'.
    ``progress`` is the share of all steps done, 0..1; ``phase`` what the worker is at.
    ``age_seconds`` passed since the worker's last heartbeat (0 without one). ``created`` is in
    seconds since 1970. ``facts`` are what the starter wrote down: names, hashes, costs. ``launch``
    is the newest start, ``worker`` the last heartbeat.
    """

    id: str
    path: Path
    name: str
    state: State
    settings: Distillation
    data: str
    kind: str = "finetune"
    study: Study | None = None
    plan: Plan | None = None
    epochs: tuple[Epoch, ...] = ()
    points: tuple[Point, ...] = ()
    before: Before | None = None
    result: Result | None = None
    finding: Finding | None = None
    message: str = ""
    phase: str = ""
    progress: float = 0.0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    age_seconds: float = 0.0
    created: float = 0.0
    threads: int = 0
    trouble: str = ""
    where: Where = "here"
    facts: Mapping[str, Any] = field(default_factory=dict)
    launch: LaunchRecord = field(default_factory=LaunchRecord)
    worker: WorkerRecord = field(default_factory=WorkerRecord)

    @property
    def over(self) -> bool:
        """Whether no worker is at it, and none is on its way."""
        return self.state in OVER

    @property
    def startable(self) -> bool:
        """Whether a worker may be started: the run was stopped, or never started."""
        new = self.state == "waiting" and self.launch.attempt == 0
        return new or self.state in RESUMABLE

    @property
    def one_shot(self) -> float | None:
        """Accuracy 0..1 of the network that was cut once and not trained, measured at the MACs of
        the result. None before it was measured, and for runs that train before or between cuts
        (in steps, sparsified): what ``before`` says of them is the accuracy after their first."""
        return self.before.one_shot if self.before and self.kind == "finetune" else None

    @property
    def student(self) -> Path:
        """The trained network's file; there once the run is finished."""
        return self.path / "student.safetensors"


def check_startable(run: Run, *, queued: bool = False) -> None:
    """Check that a worker may be started.

    Args:
        run: A run that was stopped, or never started.
        queued: Whether a queued run may be started too.

    Raises:
        RunError: It may not.
    """
    if run.state == "finished":
        raise RunError(f"The run '{run.id}' is finished; there is nothing left to do.")
    if not (run.startable or (queued and run.state == "queued")):
        raise RunError(f"The run '{run.id}' is already {run.state}.")
