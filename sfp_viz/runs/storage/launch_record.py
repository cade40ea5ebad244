"""What is written by those who start and stop runs, under ``launch.lock``: ``launch.json`` (the
newest start), ``queued.json`` (the place in the queue) and ``request`` (a word to the worker).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sfp_viz.files import write_json, write_text
from sfp_viz.runs.storage.json_record import load_record

Where = Literal["here", "ray"]  # ray: as a job of a Ray cluster
Request = Literal["", "cancel", "pause"]  # the word in the file ``request``
LAUNCH, QUEUED, REQUEST = "launch.json", "queued.json", "request"


@dataclass(frozen=True)
class LaunchRecord:
    """The newest start of a run.

    Attributes:
        attempt: How often a start was asked for; 0 before the first.
        where: 'here' for a process of this machine's, 'ray' for a job of a cluster.
        time: When the start was asked for, in seconds since 1970.
        host: The machine on which it was asked for.
        pid: The worker's process; 0 while there is none.
        problem: Why no process could be started; '' otherwise.
        environment: Variables that were set for the worker.
        address: The dashboard of the Ray cluster.
        job: The name of the Ray job; '' while it is being submitted, or was withdrawn.
    """

    attempt: int = 0
    where: Where = "here"
    time: float = 0.0
    host: str = ""
    pid: int = 0
    problem: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    job: str = ""

    @classmethod
    def load(cls, folder: Path) -> LaunchRecord:
        """The newest start of the run in ``folder``; attempt 0 before the first.

        Raises:
            RunError: A field of launch.json has the wrong type.
        """
        return load_record(cls, folder / LAUNCH) or cls()

    def save(self, folder: Path) -> None:
        """Write launch.json. Raises OSError."""
        values = {name: value for name, value in asdict(self).items() if value}
        write_json(folder / LAUNCH, {"where": self.where, "attempt": self.attempt, **values})


@dataclass(frozen=True)
class QueueEntry:
    """The place of a run in the queue.

    Attributes:
        order: Runs start by rising order.
        time: When the run was put in the queue, in seconds since 1970.
        attempt: The run's newest start by then; None in files of earlier versions.
        environment: Variables that the worker is to have.
    """

    order: float = 0.0
    time: float = 0.0
    attempt: int | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> QueueEntry | None:
        """The place of the run in ``folder``; None where it has none.

        Raises:
            RunError: A field of queued.json has the wrong type.
        """
        return load_record(cls, folder / QUEUED)

    def save(self, folder: Path) -> None:
        """Write queued.json. Raises OSError."""
        value = asdict(self)
        if self.attempt is None:
            del value["attempt"]
        write_json(folder / QUEUED, value)

    def is_valid(self, launch: LaunchRecord) -> bool:
        """Whether the run still waits: ``launch``, its newest start, did not come after. Attempts
        are compared, and times where an earlier version wrote down no attempt."""
        if self.attempt is None:
            return launch.attempt == 0 or launch.time <= self.time
        return launch.attempt <= self.attempt


def leave_queue(folder: Path) -> None:
    """Take the run's place in the queue away, if it has one."""
    (folder / QUEUED).unlink(missing_ok=True)


def read_request(folder: Path) -> Request:
    """What the worker of the run in ``folder`` is asked to do; '' for nothing."""
    try:
        word = (folder / REQUEST).read_text().strip()
    except OSError:
        return ""
    except UnicodeDecodeError:
        return "cancel"
    return "pause" if word == "pause" else "cancel"


def write_request(folder: Path, word: Request) -> None:
    """Ask a worker to stop.

    Args:
        folder: The folder of its run.
        word: 'cancel' or 'pause'; '' takes a request back.
    """
    if word:
        write_text(folder / REQUEST, f"{word}\n")
    else:
        (folder / REQUEST).unlink(missing_ok=True)
