"""Whole files appear at once: written beside, then renamed. A reader never sees half of one."""

from __future__ import annotations

import json
import math
import os
import platform
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MOST = 16_000_000  # bytes of a JSON file of ours; a longer one is not ours


def write_whole(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write ``content`` to ``path`` at once; ``durable`` waits until it lies on the disk."""
    with beside(path) as fresh, fresh.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def settle(path: Path) -> None:
    """Wait until the content of ``path`` lies on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write ``value`` as JSON, at once."""
    write_whole(path, json.dumps(value, indent=1, sort_keys=True) + "\n", durable=durable)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A fresh name beside ``path``, with its suffix, that becomes ``path`` when the block ends."""
    unique = f"{os.getpid()}-{threading.get_ident()}-{time.time_ns()}"
    fresh = path.with_name(f"{_begun()}{unique}{path.suffix}")
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def sweep_up(folder: Path, *, patience: float = 1.0) -> None:
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


def _begun() -> str:
    """How the name of a file begins that this machine is writing."""
    return f".new-{zlib.crc32(platform.node().encode()):08x}-"


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when there is no such file, or no object in it."""
    try:
        if path.stat().st_size > _MOST:
            return None
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def locked(path: Path, *, patience: float = math.inf) -> Iterator[bool]:
    """Hold the lock file ``path``; yields False when another process still has it after
    ``patience`` seconds.

    The operating system lets go of the lock when the process dies, however it dies.
    """
    import fcntl  # POSIX only; the app itself opens without it

    until = time.monotonic() + patience
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    yield False
                    return
                time.sleep(0.02)
        yield True
