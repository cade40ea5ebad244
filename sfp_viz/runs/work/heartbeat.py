"""The worker's heartbeat: worker.json each two seconds, and the ear for ``request``."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sfp_viz.files import write_json
from sfp_viz.runs.storage.launch_record import LaunchRecord, read_request
from sfp_viz.runs.storage.processes import end_children, hostname
from sfp_viz.runs.storage.worker_record import WORKER_FILE, WorkerRecord

EVERY = 2.0  # seconds between heartbeats
LISTEN = 0.25  # seconds between looks at ``request``
GRACE = 10.0  # seconds in which a cancelled training must heed ``stop`` before the process ends
# itself; one that is to pause may take its time. While it only loads, both end at once.


class Stopped(Exception):
    """The run was asked to stop or to pause, and does; its text is for the page."""


class Heartbeat:
    """Writes worker.json from a thread of its own; the only writer of that file.

    ``stop`` is set when the run should end. ``earlier`` is the last heartbeat of the worker before
    us. ``started`` is in seconds since 1970.
    """

    def __init__(self, folder: Path) -> None:
        self.stop = threading.Event()
        self.earlier = WorkerRecord.load(folder)
        self.started = time.time()
        self._folder = folder
        self._lock = threading.Lock()
        self._ended = False
        self._step = 0  # steps of the epoch that are done
        self._record = WorkerRecord(
            attempt=LaunchRecord.load(folder).attempt,
            pid=os.getpid(),
            host=hostname(),
            started=self.started,
            phase="starting",
            threads=self.earlier.threads,  # kept, should we die before torch is loaded
        )

    def start(self) -> None:
        """Write the first heartbeat, and go on from a thread."""
        self._write()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def report(self, phase: str, *, done: int = 0, steps: int = 0, step: int = 0) -> None:
        """Write what the worker is doing, at once.

        Args:
            phase: What it is doing, such as 'training'.
            done: Epochs or points that are done.
            steps: Steps of the current epoch.
            step: Steps of it that are done.
        """
        self._step = step - 1
        self._write(phase=phase, done=done, steps=steps)

    def say(self, facts: Mapping[str, Any], message: str = "") -> None:
        """Write facts and a message for the page.

        Args:
            facts: Fields of WorkerRecord, and facts by any other name, such as threads and
                versions.
            message: A sentence; '' for none.
        """
        self._write(**facts, message=message)

    def step(self) -> bool:
        """Count a step of training that begins; returns whether to stop before it."""
        self._step += 1
        return self.stop.is_set()

    def go_on(self) -> None:
        """Raise Stopped when the run should end."""
        if self.stop.is_set():
            raise Stopped

    def end(self, outcome: str, message: str = "") -> None:
        """Write the last heartbeat.

        Args:
            outcome: 'finished', 'cancelled', 'paused' or 'failed'.
            message: A sentence for the page.
        """
        words = {"message": message} if message or outcome != "finished" else {}
        self._write(last=True, outcome=outcome, phase="ended", **words)

    def outcome(self) -> str:
        """What a worker that was stopped has come to: 'paused' or 'cancelled'."""
        return "paused" if read_request(self._folder) == "pause" else "cancelled"

    def _beat(self) -> None:
        written, requested = time.monotonic(), 0.0
        while not self._ended:
            time.sleep(LISTEN)
            if self._ended:  # meanwhile: who asks or deletes now does not mean us
                return
            now = time.monotonic()
            request = read_request(self._folder)
            if request:
                self.stop.set()
            if self.stop.is_set():
                requested = now if request == "pause" else requested or now
                if now - requested > GRACE or self._record.phase in ("starting", "loading"):
                    self.end(self.outcome())
                    end_children()
                    os._exit(0)  # files appear whole, so nothing is left half done
            if not self._folder.is_dir():
                end_children()
                os._exit(1)  # somebody removed the run: there is nobody left to work for
            if now - written >= EVERY:
                written = now
                self._write()

    def _write(self, *, last: bool = False, **values: Any) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = last
            beat, step = self._record.beat + 1, max(0, self._step)
            stamp = {"beat": beat, "step": step, "time": time.time()}
            self._record = self._record.updated({**values, **stamp})
            try:
                write_json(self._folder / WORKER_FILE, self._record.to_json(), durable=last)
            except OSError:  # a full disk must not stop the training
                if last:
                    self._write_over()

    def _write_over(self) -> None:
        """The last word where there is no room for a new file: in the place of the old one."""
        with suppress(OSError), (self._folder / WORKER_FILE).open("r+") as file:
            file.write(json.dumps(self._record.to_json()))
            file.truncate()
