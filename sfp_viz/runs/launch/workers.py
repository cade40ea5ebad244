"""The worker processes of a run on this machine: found by number and name, and ended."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from sfp_viz.runs.liveness import WORKER
from sfp_viz.runs.storage.launch_record import LaunchRecord
from sfp_viz.runs.storage.processes import group_members, hostname, is_alive
from sfp_viz.runs.storage.worker_record import WorkerRecord


def workers(path: Path) -> set[int]:
    """Numbers of the living workers of this run on this machine."""
    return {pid for pid in _leaders(path) if is_alive(pid, WORKER, path)}


def end_group(path: Path) -> None:
    """Kill what workers of this run that are dead have left behind: processes they started."""
    for leader in _leaders(path) - workers(path):
        for pid in group_members(leader, path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def signal_workers(path: Path, number: signal.Signals) -> None:
    """Send a signal to each living worker of a run, and to the processes it started.

    Args:
        path: The folder of the run.
        number: The signal.
    """
    for pid in workers(path):
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == pid:  # started by us, as the head of its own group
                os.killpg(pid, number)
            else:
                os.kill(pid, number)


def _leaders(path: Path) -> set[int]:
    """Numbers of the workers of this run that were started on this machine, dead or alive."""
    launch, worker = LaunchRecord.load(path), WorkerRecord.load(path)
    records = () if launch.where == "ray" else (worker, launch)
    return {record.pid for record in records if record.pid and record.host == hostname()}
