"""The warm process that computes UMAP maps. ``python -m sfp_viz.runs.pool HOME``

UMAP's first fit compiles for half a minute, and two threads fitting at once abort a server: so
one process, never the server, does it for everybody on this machine. Requests and answers are
files in ``HOME/cache/embeddings``; an answer is a cache entry from then on. The newest request
is served first: it is the one being looked at. No torch here.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from sfp_viz.errors import RunError
from sfp_viz.files import atomic_path, file_lock, read_json, write_json, write_text
from sfp_viz.runs.storage.processes import hostname, is_alive, python_module, start_process

MODULE = "sfp_viz.runs.pool"
IDLE = 15 * 60.0  # seconds without a request after which the process ends
_LOOK = 0.1  # seconds between looks for requests

Embed = Callable[[np.ndarray, int], np.ndarray]


def embedding(home: Path, key: str) -> np.ndarray | None:
    """A stored UMAP map, float32 [filters, 2]; None where there is none (yet).

    Args:
        home: The workspace.
        key: The key it was requested under.
    """
    try:
        return np.load(_file(home, key, ".npy"), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def embedding_problem(home: Path, key: str) -> str:
    """Why a UMAP map cannot be computed, in a sentence; '' when nothing went wrong.

    Args:
        home: The workspace.
        key: The key it was requested under.
    """
    return str((read_json(_file(home, key, ".json")) or {}).get("problem", ""))


def request_embedding(
    home: Path,
    key: str,
    matrix: np.ndarray,
    *,
    seed: int = 0,
    command: Sequence[str] | None = None,
) -> None:
    """Request a UMAP map, and return at once. Starts the warm process if none is alive; requesting
    a map again costs nothing.

    Args:
        home: The workspace.
        key: Names everything the map depends on: the digest, the group, the settings.
        matrix: One row for each filter [filters, features].
        seed: The seed of UMAP.
        command: Another process than ours, for tests.

    Raises:
        RunError: No process can be started.
    """
    if embedding(home, key) is not None:
        return
    room = _room(home)
    room.mkdir(parents=True, exist_ok=True)
    request = _file(home, key, ".request.npz")
    if not request.exists():
        _file(home, key, ".json").unlink(missing_ok=True)
        with atomic_path(request) as fresh:
            np.savez(fresh, matrix=np.asarray(matrix, np.float32), seed=seed)
    with file_lock(room / "start.lock"):
        if pool_alive(home) is None:
            (room / "stop").unlink(missing_ok=True)
            try:
                with (room / "log.txt").open("wb") as log:
                    pid = start_process(command or python_module(MODULE, home), output=log)
            except OSError as problem:
                raise RunError(f"No process for UMAP can be started: {problem}.") from problem
            write_json(room / "pool.json", {"pid": pid, "host": hostname()})


def pool_alive(home: Path) -> int | None:
    """The number of the warm process, or None when there is none."""
    record = read_json(_room(home) / "pool.json")
    if not record or record.get("host") != hostname():
        return None
    return int(record["pid"]) if is_alive(int(record["pid"]), MODULE, home) else None


def stop_pool(home: Path, *, wait: float = 5.0) -> None:
    """Ask the warm process to end after its current map, and kill it if it does not.

    Args:
        home: The workspace.
        wait: Seconds until it is killed.
    """
    pid = pool_alive(home)
    if pid is None:
        return
    write_text(_room(home) / "stop", "")
    until = time.monotonic() + wait
    while time.monotonic() < until:
        if pool_alive(home) is None:
            return
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.kill(pid, 9)


def serve(home: Path, *, embed: Embed | None = None, idle: float = IDLE) -> None:
    """Answer requests until none came for a while, or the process is asked to stop.

    Args:
        home: The workspace.
        embed: Computes a map from a matrix and a seed; by default UMAP.
        idle: Seconds without a request after which it ends.
    """
    room = _room(home)
    room.mkdir(parents=True, exist_ok=True)
    with file_lock(room / "start.lock"):
        if pool_alive(home) not in (None, os.getpid()):
            return  # never two
        write_json(room / "pool.json", {"pid": os.getpid(), "host": hostname()})
    rested = time.monotonic()
    while room.is_dir() and not (room / "stop").exists():
        if request := _newest(room):
            _answer(request, embed or _umap)
            rested = time.monotonic()
        elif time.monotonic() - rested > idle:
            with file_lock(room / "start.lock"):
                if not _newest(room):  # one may have come in this very moment
                    (room / "pool.json").unlink(missing_ok=True)
                    return
        else:
            time.sleep(_LOOK)


def _newest(room: Path) -> Path | None:
    requests = [(p.stat().st_mtime_ns, p) for p in room.glob("[!.]*.request.npz")]
    return max(requests)[1] if requests else None


def _answer(file: Path, embed: Embed) -> None:
    """Compute and store one map, or the reason why not; the request goes when that lies there."""
    name = file.name.removesuffix(".request.npz")
    try:
        with np.load(file, allow_pickle=False) as request:
            matrix, seed = request["matrix"], int(request["seed"])
        coordinates = np.asarray(embed(matrix, seed), np.float32)
        if coordinates.shape != (len(matrix), 2) or not np.isfinite(coordinates).all():
            raise RunError(f"UMAP gave no finite point for each of {len(matrix)} filters.")
        with atomic_path(file.with_name(f"{name}.npy")) as fresh:
            np.save(fresh, coordinates, allow_pickle=False)
    except Exception as problem:  # one bad request must not end the process
        traceback.print_exc()
        text = f"The UMAP map could not be computed: {type(problem).__name__}: {problem}"
        write_json(file.with_name(f"{name}.json"), {"problem": text})
    file.unlink(missing_ok=True)


def _umap(matrix: np.ndarray, seed: int) -> np.ndarray:
    from sfp_viz.core.redundancy.embedding import (
        umap_map,  # loads umap and numba, here and nowhere else
    )

    return umap_map(matrix, seed)


def _room(home: Path) -> Path:
    return home / "cache" / "embeddings"


def _file(home: Path, key: str, ending: str) -> Path:
    return _room(home) / (hashlib.sha256(key.encode()).hexdigest()[:32] + ending)


def main() -> int:
    """Serve the workspace named on the command line."""
    if len(sys.argv) != 2:
        print("Usage: python -m sfp_viz.runs.pool HOME", file=sys.stderr)
        return 2
    with suppress(OSError):
        os.nice(5)
    serve(Path(sys.argv[1]).resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
