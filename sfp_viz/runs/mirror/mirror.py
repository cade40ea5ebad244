"""Runs mirrored to MLflow: parameters, metrics of each epoch, files. Off unless it is asked for.

A thread of the worker reads what the worker wrote, and tells it to the tracking server. Nothing
that happens there touches the run: what cannot be told is tried again, said once in log.txt, and
given up at the end.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.errors import RunError
from sfp_viz.runs.folder import TRAININGS, read_run, workspace_of
from sfp_viz.runs.mirror.settings import NEEDS, Mirroring, read_mirroring
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.worker_record import WorkerRecord

if TYPE_CHECKING:
    from sfp_viz.runs.mirror.mlflow_client import Server

EVERY = 3.0  # seconds between looks at the history
_RETRY = 30.0  # seconds until a server that failed is tried again
_LINGER = {"finished": 120.0, "failed": 60.0}  # seconds that a worker waits for it at its end
_SHORT = 8.0  # the same for one that was paused or cancelled: somebody waits


@contextmanager
def mirror_run(folder: Path) -> Iterator[None]:
    """Mirror the training in ``folder`` while the block works on it, if that is asked for."""
    mirror = None
    with suppress(RunError):  # whatever is wrong with the run, the worker will say
        mirror = open_mirror(read_run(folder))
    try:
        yield
    finally:
        if mirror is not None:
            mirror.close(WorkerRecord.load(folder).outcome)


def open_mirror(run: Run) -> Mirror | None:
    """Begin to mirror ``run``, or go on with it; None when that is not asked for, or ``run`` is
    no training. Never raises: what is wrong is said in log.txt."""
    if run.kind not in TRAININGS:
        return None
    try:
        mirroring = read_mirroring(workspace_of(run.path))
    except RunError as problem:
        _say(run.path, problem)
        return None
    return Mirror(run, mirroring) if mirroring else None


class Mirror:
    """Mirrors one run from a thread of its own, until ``close``."""

    def __init__(self, run: Run, mirroring: Mirroring) -> None:
        self._run, self._chosen = run, mirroring
        self._outcome = ""
        self._ended = threading.Event()
        self._told = False
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)
        self._thread.start()

    def close(self, outcome: str) -> None:
        """Mirror how the run ended, with its files; waits, but not for long. Never raises."""
        self._outcome = outcome
        self._ended.set()
        self._thread.join(_LINGER.get(outcome, _SHORT))

    def _follow(self) -> None:
        while not self._ended.is_set():
            went_well = self._try(self._report)
            self._ended.wait(EVERY if went_well else _RETRY)
        self._try(self._report)
        self._try(self._finish)

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of libraries that we do not know
                act()
        except Exception as problem:  # whatever it is, it is not the run's trouble
            if not self._told:
                _say(self._run.path, problem, self._chosen)
            self._told = True
            return False
        return True

    def _report(self) -> None:
        if self._server is None:
            from sfp_viz.runs.mirror.mlflow_client import Server

            self._server = Server(self._run, **asdict(self._chosen))
        self._server.report()

    def _finish(self) -> None:
        if self._server is not None:
            self._server.finish(self._outcome)


def _say(folder: Path, problem: Exception, mirroring: Mirroring | None = None) -> None:
    """Say once, in the run's log, why there is no mirror; the run goes on."""
    text = f"{type(problem).__name__}: {problem}".splitlines()[0]
    if isinstance(problem, ImportError):
        text = f"{problem}. It needs: {NEEDS}"
    if mirroring is not None:
        text = text.replace(mirroring.uri, mirroring.shown.uri)
    with suppress(OSError), (folder / "log.txt").open("a") as log:
        log.write(f"The run is not mirrored to MLflow for now; it continues. {text}\n")
