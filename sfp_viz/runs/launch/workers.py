"""The worker processes of a run on this machine: found by number and name, and ended."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from sfp_viz.files import read_json
from sfp_viz.runs.launch import ray_launch
from sfp_viz.runs.liveness import WORKER
from sfp_viz.runs.storage.processes import group_members, hostname, is_alive


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
    """Send a signal to each living worker of this run, and to the processes it started."""
    for pid in workers(path):
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == pid:  # started by us, as the head of its own group
                os.killpg(pid, number)
            else:
                os.kill(pid, number)


def _leaders(path: Path) -> set[int]:
    """Numbers of the workers of this run that were started on this machine, dead or alive."""
    files = () if ray_launch.is_on_ray(path) else ("worker.json", "launch.json")
    known = [read_json(path / name) for name in files]
    return {int(k["pid"]) for k in known if k and k.get("pid") and k.get("host") == hostname()}
