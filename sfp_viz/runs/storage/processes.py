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
    """Whether process ``pid`` of this machine runs ``python -m module folder``.

    Looking at the command line makes it safe against numbers that were given out again. A dead
    process that nobody has collected yet (a zombie) is not alive.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        dead = process.status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False
    ours = module in words and bool(words) and Path(words[-1]).name == folder.name
    return ours and not dead


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
    """The living processes of the worker ``leader`` of ``folder`` on this machine: itself, and
    those it started, also when it is dead itself."""
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
    """Start a process in a session of its own, so that it outlives us; returns its number. It gets
    our environment, with ``environment`` in it."""
    whole = {**os.environ, **(environment or {})}
    known = whole.get("PYTHONPATH")
    whole["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([known] if known else [])])
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        env=whole,
    )
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    return process.pid


def python_module(module: str, folder: Path) -> list[str]:
    """The command that runs a module of ours on a folder."""
    return [sys.executable, "-m", module, str(folder.resolve())]


def remove_partial_files(folder: Path, *, patience: float = 1.0) -> None:
    """Remove what processes of this machine that are dead now were writing in ``folder``.

    One that was killed may take a moment to die after it let go of its lock, so what is still
    there is looked at again for ``patience`` seconds; what the living write is gone by then.
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
