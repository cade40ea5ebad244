"""A worker as a job on a node of a cluster: it finds its run in the node's own workspace."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sfp_viz.runs.folder import home
from sfp_viz.runs.storage.launch_record import LaunchRecord
from sfp_viz.runs.storage.processes import hostname

PATIENCE = 20.0  # seconds in which a shared folder must show what was written elsewhere
USAGE = "Usage: python -m sfp_viz.runs.worker FOLDER, or --attempt N --run ID on a cluster's node"


def folder_of_job(words: Sequence[str], *, patience: float = PATIENCE) -> Path | None:
    """The folder of the run that a job is for; from here on the worker's output goes to its
    log.txt. None when this node cannot, or need not, do it: the reason is printed, so that Ray
    keeps it.

    Args:
        words: '--attempt N --run ID', or '--run ID'.
        patience: Seconds to wait until the shared folder shows the start.
    """
    options = dict(zip(words[::2], words[1::2], strict=False))
    name, number = options.get("--run", ""), options.get("--attempt", "0")
    usual = set(options) <= {"--run", "--attempt"} and len(words) == 2 * len(options)
    if not usual or not number.isdecimal() or Path(name).name != name or name in ("", ".."):
        return _refuse(USAGE)
    folder = home() / "runs" / name
    until = time.monotonic() + patience
    while (attempt := _attempt(folder)) < int(number) and time.monotonic() < until:
        time.sleep(0.2)
    if attempt < 0:
        return _refuse(
            f"The workspace of the node {hostname()}, {home()}, has no run '{name}'. Set "
            "SFP_VIZ_HOME to the shared workspace before 'ray start' on this node."
        )
    if options.get("--attempt") and attempt != int(number):
        return _refuse(f"The run '{name}' was stopped or restarted elsewhere in the meantime.")
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    print(f"The worker of '{name}' starts on {hostname()}; its output is in log.txt.", flush=True)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    os.close(log)
    return folder


def _attempt(folder: Path) -> int:
    """The number of the newest start of a run; -1 when there is no such run."""
    if not (folder / "settings.json").exists():
        return -1
    return LaunchRecord.load(folder).attempt


def _refuse(why: str) -> None:
    print(why, file=sys.stderr, flush=True)
