"""Which runs there are: of what kind, of which weights, and from when; quick for hundreds.

Nothing but ``settings.json`` is opened, and each only once: its starter writes it and nobody
changes it. So a page that needs the newest run of a kind opens no other.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.storage.layout import RunSettings
from sfp_viz.runs.storage.records import Run

_REMEMBERED = 4096  # runs


@dataclass(frozen=True)
class Entry:
    """A run's folder, its kind ('finetune', 'observe' ...), the ``digest`` of the weights it is
    about ('' if not known), and when it was ``created``, in seconds since 1970."""

    path: Path
    kind: str
    digest: str
    created: float


def entries(
    home: Path, kinds: tuple[str, ...] | None = None, digest: str | None = None
) -> tuple[Entry, ...]:
    """The runs of the workspace, of certain ``kinds`` and about certain weights, the newest first;
    readable or not."""
    found = []
    with suppress(OSError), os.scandir(home / "runs") as folders:
        for folder in folders:
            if not folder.name.startswith("."):
                with suppress(OSError):
                    seen = os.stat(f"{folder.path}/settings.json")
                    stamp = seen.st_mtime_ns, seen.st_size, seen.st_ino
                    found.append(_entry(folder.path, stamp))
    wanted = [
        one for one in found
        if one and (kinds is None or one.kind in kinds) and digest in (None, one.digest)
    ]  # fmt: skip
    return tuple(sorted(wanted, key=lambda one: (one.created, one.path.name), reverse=True))


def newest(
    home: Path,
    most: int,
    *,
    kinds: tuple[str, ...] | None = None,
    digest: str | None = None,
) -> tuple[Run, ...]:
    """The ``most`` newest of those runs that can be read; no other is opened."""
    runs: list[Run] = []
    for one in entries(home, kinds, digest):
        if len(runs) == most:
            break
        with suppress(SfpError):  # a folder that is being deleted, or is not ours
            runs.append(read_run(one.path))
    return tuple(runs)


@lru_cache(_REMEMBERED)
def _entry(path: str, stamp: tuple[int, ...]) -> Entry | None:
    """What settings.json says as it was at ``stamp``."""
    try:
        entry = RunSettings.load(Path(path))
    except RunError:
        return None
    return Entry(Path(path), entry.kind, str(entry.facts.get("digest") or ""), entry.created)
