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


def write_bytes(path: Path, content: bytes, *, durable: bool = True, parents: bool = False) -> None:
    """Write a file that appears whole or not at all.

    Args:
        path: The file; its folder must exist, unless ``parents`` are made.
        content: All of it.
        durable: Whether to wait until it is on the disk.
        parents: Whether to make the folder. Not in a run's folder: one that was removed must not
            come back.

    Raises:
        OSError: It cannot be written; an earlier file is then as it was.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as fresh, fresh.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def write_text(path: Path, text: str, *, durable: bool = True, parents: bool = False) -> None:
    """``write_bytes`` of a text in UTF-8.

    Args:
        path: The file.
        text: Its content.
        durable: Whether to wait until it is on the disk.
        parents: Whether to make missing folders.
    """
    write_bytes(path, text.encode(), durable=durable, parents=parents)


def sync_file(path: Path) -> None:
    """Wait until the content of ``path`` is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """``write_bytes`` of a value as JSON.

    Args:
        path: The file.
        value: What ``json`` can write.
        durable: Whether to wait until it is on the disk.
    """
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n", durable=durable)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A fresh name beside ``path``, with its suffix, that becomes ``path`` when the block ends."""
    unique = f"{os.getpid()}-{threading.get_ident()}-{time.time_ns()}"
    fresh = path.with_name(f"{_begun()}{unique}{path.suffix}")
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


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
def file_lock(path: Path, *, patience: float = math.inf) -> Iterator[bool]:
    """Hold the lock file ``path``; yields False when another process still has it after
    ``patience`` seconds.

    The operating system lets go of the lock when the process dies, however it dies.

    Args:
        path: The lock file.
        patience: Seconds to wait for another process.
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
