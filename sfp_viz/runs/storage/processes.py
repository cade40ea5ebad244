"""Is a process of ours still alive? Asked by its number and its command line, not by clocks."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from sfp_viz.files import _begun

ROOT = Path(__file__).resolve().parents[3]  # where the package lies
RUN = "SFP_VIZ_RUN"  # in the environment of a worker and its children: the folder they work for


def hostname() -> str:
    """The name of this machine, as worker.json gives it."""
    return platform.node()


def is_alive(pid: int, module: str, folder: Path) -> bool:
    """Whether a process of this machine runs ``python -m module folder``. The command line is
    compared, since process numbers are given out again. A zombie is not alive.

    Args:
        pid: The number of the process.
        module: The module that it should run.
        folder: The folder that it should work on.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        dead = process.status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False
    matches = module in words and bool(words) and Path(words[-1]).name == folder.name
    return matches and not dead


def is_gone(pid: int) -> bool:
    """Whether no process of this machine has the number ``pid``, or only a dead one that nobody
    has collected yet."""
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError, OverflowError):
        return False


def group_members(leader: int, folder: Path) -> tuple[int, ...]:
    """The living processes of a worker on this machine: itself and those that it started, also
    after its own death.

    Args:
        leader: The number of the worker's process.
        folder: The folder of its run.
    """
    import psutil

    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) != leader or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if Path(process.environ().get(RUN, "")) == folder.resolve():
                members.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return tuple(members)


def end_children() -> None:
    """Kill the processes that this one started: it is about to end itself."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()


def start_process(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Start a process in a session of its own, so that it outlives ours; returns its number.

    Args:
        command: The program and its arguments.
        output: Where its output and errors go.
        environment: Variables set for it, beside those of this process.
    """
    variables = {**os.environ, **(environment or {})}
    path = variables.get("PYTHONPATH")
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([path] if path else [])])
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        env=variables,
    )
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    return process.pid


def python_module(module: str, folder: Path) -> list[str]:
    """The command that runs a module of this package on a folder.

    Args:
        module: The module.
        folder: Its argument.
    """
    return [sys.executable, "-m", module, str(folder.resolve())]


def remove_partial_files(folder: Path, *, patience: float = 1.0) -> None:
    """Remove what dead processes of this machine were writing.

    A killed process may take a moment to die after its lock is free, so files of living ones are
    looked at again.

    Args:
        folder: The folder of a run.
        patience: Seconds for which files of living processes are looked at again.
    """
    from sfp_viz.runs.storage.processes import is_gone

    until = time.monotonic() + patience
    while True:
        for half in folder.rglob(f"{_begun()}*"):
            number = half.name.removeprefix(_begun()).split("-")[0]
            if not number.isdigit() or is_gone(int(number)):
                half.unlink(missing_ok=True)
        if time.monotonic() >= until or not next(folder.rglob(f"{_begun()}*"), None):
            return
        time.sleep(0.02)
