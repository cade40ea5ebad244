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
    """The runs of a workspace, readable or not, the newest first.

    Args:
        home: The workspace.
        kinds: Only runs of these kinds.
        digest: Only runs about these weights.
    """
    readable = []
    with suppress(OSError), os.scandir(home / "runs") as folders:
        for folder in folders:
            if not folder.name.startswith("."):
                with suppress(OSError):
                    status = os.stat(f"{folder.path}/settings.json")
                    stamp = status.st_mtime_ns, status.st_size, status.st_ino
                    readable.append(_entry(folder.path, stamp))
    matching = [
        entry for entry in readable
        if entry and (kinds is None or entry.kind in kinds) and digest in (None, entry.digest)
    ]  # fmt: skip
    return tuple(sorted(matching, key=lambda entry: (entry.created, entry.path.name), reverse=True))


def newest(
    home: Path,
    most: int,
    *,
    kinds: tuple[str, ...] | None = None,
    digest: str | None = None,
) -> tuple[Run, ...]:
    """The newest readable runs, the newest first; no other is opened.

    Args:
        home: The workspace.
        most: How many, at most.
        kinds: Only runs of these kinds.
        digest: Only runs about these weights.
    """
    runs: list[Run] = []
    for entry in entries(home, kinds, digest):
        if len(runs) == most:
            break
        with suppress(SfpError):  # a folder that is being deleted, or is not ours
            runs.append(read_run(entry.path))
    return tuple(runs)


@lru_cache(_REMEMBERED)
def _entry(path: str, stamp: tuple[int, ...]) -> Entry | None:
    """What settings.json says as it was at ``stamp``."""
    try:
        entry = RunSettings.load(Path(path))
    except RunError:
        return None
    return Entry(Path(path), entry.kind, str(entry.facts.get("digest") or ""), entry.created)
