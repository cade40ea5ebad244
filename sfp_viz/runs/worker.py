"""The worker: does the run in a folder. ``python -m sfp_viz.runs.worker FOLDER``; on the node of a
cluster ``--attempt N --run ID``, a run of the node's own workspace.

It starts quickly (torch is imported after the first heartbeat), obeys ``request``, and keeps what
it has done. Whatever goes wrong is written down for the page to show. What is done for each kind
of run: finetune.py, study.py and their like in work/.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path

from sfp_viz.errors import SfpError
from sfp_viz.files import file_lock
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.mirror.mirror import mirror_run
from sfp_viz.runs.storage.failures import failure_message, shortage_of
from sfp_viz.runs.storage.processes import RUN, remove_partial_files
from sfp_viz.runs.work.heartbeat import Heartbeat, Stopped
from sfp_viz.runs.work.ray_node import folder_of_job

PATIENCE = 5.0  # seconds; a worker that was killed takes a moment to let go of its folder
WORK = {  # kind of run -> the module that does it
    "finetune": "finetune",
    "steps": "steps",
    "sweep": "sweep",
    "sparsify": "sparsify",
}


def main(arguments: list[str] | None = None) -> int:
    """Work on the folder named in ``arguments``; the exit status is 0 unless the run failed."""
    words = sys.argv[1:] if arguments is None else arguments
    folder = Path(words[0]).resolve() if len(words) == 1 else folder_of_job(words)
    if folder is None:
        return 2
    os.environ[RUN] = str(folder)  # for what it starts itself
    with ExitStack() as after, file_lock(folder / "worker.lock", patience=PATIENCE) as alone:
        if not alone:
            print(f"Another worker is already running in {folder}.", file=sys.stderr)
            return 2
        after.enter_context(mirror_run(folder))  # ends when the folder is free again
        return _watched(folder)


def _watched(folder: Path) -> int:
    heartbeat = Heartbeat(folder)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: heartbeat.stop.set())
    heartbeat.start()
    try:
        work(folder, heartbeat)
    except Stopped as stopped:
        heartbeat.end(heartbeat.outcome(), str(stopped))
        return 0
    except Exception as problem:  # the page must be told, whatever it was
        return _failed(folder, heartbeat, problem)
    heartbeat.end("finished")
    return 0


def _failed(folder: Path, heartbeat: Heartbeat, problem: Exception) -> int:
    with suppress(OSError), (folder / "log.txt").open("a") as log:
        traceback.print_exception(problem, file=log)
    batch = 0
    with suppress(SfpError):
        run = read_run(folder)
        batch = 0 if run.study else run.settings.batch_size
    heartbeat.say({"trouble": shortage_of(problem)})
    heartbeat.end("failed", failure_message(problem, batch=batch))
    return 1


def work(folder: Path, heartbeat: Heartbeat) -> None:
    """Do the run, from where a worker before us ended.

    Args:
        folder: The folder of the run.
        heartbeat: The worker's.

    Raises:
        SfpError: Something went wrong; its message says what.
    """
    remove_partial_files(folder)  # after a worker that was killed while writing
    for half in [*folder.glob(".*.safetensors*"), *folder.rglob(".tmp*")]:
        half.unlink(missing_ok=True)  # safetensors writes beside, too
    run = read_run(folder)
    import_module(f"sfp_viz.runs.work.{WORK.get(run.kind, 'study')}").work(run, heartbeat)


if __name__ == "__main__":
    with suppress(OSError):
        os.nice(5)  # the page stays quick
    sys.exit(main())
