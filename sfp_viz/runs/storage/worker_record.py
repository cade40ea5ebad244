"""``worker.json``: what a run's worker says of itself every two seconds, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sfp_viz.files import read_json, write_json
from sfp_viz.runs.storage.json_record import record_from_dict

WORKER_FILE = "worker.json"


@dataclass(frozen=True)
class WorkerRecord:
    """The last heartbeat of a run's worker.

    Attributes:
        attempt: The start that it is the worker of; -1 where no worker has reported.
        pid, host: Its process, and the machine.
        started, time: When it started, and when it said this, in seconds since 1970.
        beat: Counts heartbeats.
        phase: What it is doing: 'starting', 'loading', 'training' ... 'ended'.
        done, total: Epochs or points that are done, and of how many; a total of 0 is not known.
        step, steps: Steps of the next epoch that are done, and of how many.
        outcome: '' while it works; then 'finished', 'cancelled', 'paused' or 'failed'.
        message: A sentence for the page.
        trouble: What a failed worker ran out of: 'memory', 'disk', or ''.
        threads: CPU threads; 0 before they are known.
        facts: What else results depend on: device, versions, precision ...
    """

    attempt: int = -1
    pid: int = 0
    host: str = ""
    started: float = 0.0
    time: float = 0.0
    beat: int = 0
    phase: str = ""
    done: int = 0
    total: int = 0
    step: int = 0
    steps: int = 0
    outcome: str = ""
    message: str = ""
    trouble: str = ""
    threads: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> WorkerRecord:
        """The last heartbeat in ``folder``; attempt -1 where no worker has reported.

        Raises:
            RunError: A field of worker.json has the wrong type.
        """
        value = read_json(folder / WORKER_FILE)
        if not value:
            return cls()
        own_fields = {name: entry for name, entry in value.items() if name in _NAMES}
        facts = {name: entry for name, entry in value.items() if name not in (*_NAMES, "format")}
        entry = {"attempt": 0, **own_fields, "facts": facts}
        return record_from_dict(cls, entry, folder / WORKER_FILE)

    def updated(self, values: Mapping[str, Any]) -> WorkerRecord:
        """The record with ``values``: its own fields, and facts by any other name."""
        own_fields = {name: value for name, value in values.items() if name in _NAMES}
        facts = {name: value for name, value in values.items() if name not in _NAMES}
        return replace(self, **own_fields, facts={**self.facts, **facts})

    def to_json(self) -> dict[str, Any]:
        """The content of worker.json: facts stand beside the other fields, and what is not known
        yet is left out."""
        value = {name: entry for name, entry in asdict(self).items() if name in _NAMES}
        for name in ("done", "total", "trouble", "threads"):
            if not value[name]:
                del value[name]
        return {"format": 1, **self.facts, **value}

    def save(self, folder: Path, *, durable: bool = True) -> None:
        """Write worker.json.

        Args:
            folder: The folder of the run.
            durable: Whether to wait until it is on the disk.

        Raises:
            OSError: It cannot be written.
        """
        write_json(folder / WORKER_FILE, self.to_json(), durable=durable)


_NAMES = frozenset(field.name for field in fields(WorkerRecord)) - {"facts"}
