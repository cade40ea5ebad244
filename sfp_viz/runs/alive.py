"""Is a process of ours still alive? Asked by its number and its command line, not by clocks."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent.parent  # where the package lies


def here() -> str:
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


def start(command: Sequence[str], *, output: IO[bytes] | int) -> int:
    """Start a process in a session of its own, so that it outlives us; returns its number."""
    environment = dict(os.environ)
    known = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([known] if known else [])])
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        env=environment,
    )
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    return process.pid


def python_module(module: str, folder: Path) -> list[str]:
    """The command that runs a module of ours on a folder."""
    return [sys.executable, "-m", module, str(folder.resolve())]
