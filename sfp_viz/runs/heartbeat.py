"""The worker's heartbeat: worker.json each two seconds, and the ear for ``request``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sfp_viz.runs.alive import here
from sfp_viz.runs.files import read_json, write_json

EVERY = 2.0  # seconds between heartbeats
LISTEN = 0.25  # seconds between looks at ``request``
GRACE = 10.0  # seconds in which the training must heed ``stop`` before the process ends itself;
# while it only loads there is nothing to lose, and it ends at once


class Cancelled(Exception):
    """The run was asked to stop."""


class Heartbeat:
    """Writes worker.json from a thread of its own; the only writer of that file.

    ``stop`` is set when the run should end. ``earlier`` is the worker.json of the worker before
    us, {} for the first. ``started`` is in seconds since 1970.
    """

    def __init__(self, folder: Path) -> None:
        self.stop = threading.Event()
        self.earlier = read_json(folder / "worker.json") or {}
        self.started = time.time()
        self._folder = folder
        self._lock = threading.Lock()
        self._ended = False
        self._step = 0
        launch = read_json(folder / "launch.json") or {}
        self._said: dict[str, Any] = {
            "format": 1,
            "attempt": int(launch.get("attempt", 0)),
            "pid": os.getpid(),
            "host": here(),
            "started": self.started,
            "beat": 0,
            "phase": "starting",
            "step": 0,
            "steps": 0,
            "outcome": "",
            "message": "",
        }
        if self.earlier.get("threads"):
            self._said["threads"] = self.earlier["threads"]  # kept, should we die before torch

    def start(self) -> None:
        """Write the first heartbeat, and go on from a thread."""
        self._write()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def tell(self, phase: str, *, done: int = 0, steps: int = 0) -> None:
        """Say what the worker is at, after how many epochs, and of how many steps the one begun
        is; written at once."""
        self._step = 0
        self._write(phase=phase, done=done, steps=steps)

    def say(self, facts: Mapping[str, Any], message: str = "") -> None:
        """Threads, versions and device for the record, and a sentence for the page."""
        self._write(**facts, message=message)

    def step(self) -> bool:
        """Count a step of training; returns whether to stop before it."""
        self._step += 1
        return self.stop.is_set()

    def go_on(self) -> None:
        """Raise Cancelled when the run should end."""
        if self.stop.is_set():
            raise Cancelled

    def end(self, outcome: str, message: str = "") -> None:
        """The last word: 'finished', 'cancelled' or 'failed' with a message."""
        words = {"message": message} if message else {}
        self._write(last=True, outcome=outcome, phase="ended", **words)

    def _beat(self) -> None:
        written, asked = time.monotonic(), 0.0
        while not self._ended:
            time.sleep(LISTEN)
            now = time.monotonic()
            if not self.stop.is_set() and (self._folder / "request").exists():
                self.stop.set()
            if self.stop.is_set():
                asked = asked or now
                if now - asked > GRACE or self._said["phase"] in ("starting", "loading"):
                    self.end("cancelled")
                    os._exit(0)  # files appear whole, so nothing is left half done
            if not self._folder.is_dir():
                os._exit(1)  # somebody removed the run: there is nobody left to work for
            if now - written >= EVERY:
                written = now
                self._write()

    def _write(self, *, last: bool = False, **said: Any) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = last
            self._said.update(said, beat=self._said["beat"] + 1, time=time.time())
            self._said["step"] = max(0, self._step - 1)  # the one begun is not done
            with suppress(OSError):  # a full disk must not stop the training
                write_json(self._folder / "worker.json", self._said, durable=last)
