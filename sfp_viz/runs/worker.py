"""The worker: does the run in a folder. ``python -m sfp_viz.runs.worker FOLDER``

It starts quickly (torch is imported after the first heartbeat), obeys ``request``, and keeps what
it has done. Whatever goes wrong is written down for the page to show. What is done for each kind
of run: work_finetune.py, work_study.py.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from sfp_viz.errors import SfpError
from sfp_viz.runs.files import locked
from sfp_viz.runs.folder import TRAINING, read_run
from sfp_viz.runs.heartbeat import Cancelled, Heartbeat

_MEMORY = "The memory was not enough. Try half the batch size, or fewer images."
PATIENCE = 5.0  # seconds; a worker that was killed takes a moment to let go of its folder


def main(arguments: list[str] | None = None) -> int:
    """Work on the folder named in ``arguments``; the exit status is 0 unless the run failed."""
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1:
        print("Usage: python -m sfp_viz.runs.worker FOLDER", file=sys.stderr)
        return 2
    folder = Path(words[0]).resolve()
    with locked(folder / "worker.lock", patience=PATIENCE) as alone:
        if not alone:
            print(f"Another worker is at {folder} already.", file=sys.stderr)
            return 2
        return _watched(folder)


def _watched(folder: Path) -> int:
    heartbeat = Heartbeat(folder)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: heartbeat.stop.set())
    heartbeat.start()
    try:
        work(folder, heartbeat)
    except Cancelled:
        heartbeat.end("cancelled")
        return 0
    except SfpError as problem:
        return _failed(folder, heartbeat, str(problem))
    except MemoryError:
        return _failed(folder, heartbeat, _MEMORY)
    except Exception as problem:  # the page must be told, whatever it was
        text = f"Something unexpected went wrong: {type(problem).__name__}: {problem}"
        if "out of memory" in text or "can't allocate memory" in text:
            text = _MEMORY
        return _failed(folder, heartbeat, f"{text} The details are in log.txt.")
    heartbeat.end("finished")
    return 0


def _failed(folder: Path, heartbeat: Heartbeat, message: str) -> int:
    with suppress(OSError), (folder / "log.txt").open("a") as log:
        log.write(traceback.format_exc())
    heartbeat.end("failed", message)
    return 1


def work(folder: Path, heartbeat: Heartbeat) -> None:
    """Do the run, from where a worker before us came to its end. Raises SfpError on trouble."""
    dead = heartbeat.earlier.get("pid", 0)
    for half in [*folder.glob(".*.safetensors*"), *folder.glob(f".new-{dead}-*")]:
        half.unlink()  # of a worker that was killed while writing
    run = read_run(folder)
    if run.kind == TRAINING:
        from sfp_viz.runs import work_finetune as kind
    else:
        from sfp_viz.runs import work_study as kind
    kind.work(run, heartbeat)


if __name__ == "__main__":
    with suppress(OSError):
        os.nice(5)  # the page stays quick
    sys.exit(main())
