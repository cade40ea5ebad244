"""One training on several processes: the worker is the first of them, and starts the others.

``python -m sfp_viz.runs.work.spread RANK PORT FOLDER`` is one of the others. It is told on its
standard input what to train, writes nothing but to log.txt, and ends when that input does: with the
worker, however the worker dies. All of them are in the worker's process group.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs.storage.failures import failure_message, shortage_of
from sfp_viz.runs.storage.processes import ROOT, end_children
from sfp_viz.runs.work.heartbeat import Heartbeat, Stopped

if TYPE_CHECKING:
    from sfp_viz.nets.training.distributed import Fabric

MODULE = "sfp_viz.runs.work.spread"
GRACE = 5.0  # seconds the worker has to see for itself that another process died
_SAID, _MEMORY = 3, 4  # exit status: an error that all have; not enough memory


@contextmanager
def spawn_ranks(
    folder: Path,
    settings: Distillation,
    heartbeat: Heartbeat,
    *,
    start: Path,
    teacher: Path | None,
    data: str,
) -> Iterator[Fabric | None]:
    """The Fabric for a Training on several processes; None, and nothing is started, for one
    process.

    The others build the same Training, wait for its state, and train until all epochs are done or
    the worker stops. If one of them dies, the worker fails with a sentence, also while it waits for
    the dead one.

    Args:
        folder: The folder of the run.
        settings: The training; it says how many processes.
        heartbeat: The worker's.
        start: A file of the network to train.
        teacher: A file of the teacher; None without one.
        data: The images, by name or path.
    """
    if settings.processes == 1:
        yield None
        return
    from sfp_viz.nets.training.distributed import distributed_fabric, leave_process_group
    from sfp_viz.nets.training.reproducibility import numerics

    job = {"start": str(start), "teacher": str(teacher) if teacher else None, "data": data}
    job |= {"settings": asdict(settings), "threads": numerics()["threads"]}
    port, over = _free_port(), threading.Event()
    ranks = [_begin(rank, port, folder, job) for rank in range(1, settings.processes)]
    guard = threading.Thread(target=_guard, args=(ranks, over, heartbeat, settings), daemon=True)
    guard.start()
    try:
        yield distributed_fabric(settings, rank=0, port=port)
        leave_process_group()
    except (SfpError, Stopped):
        raise
    except Exception as problem:
        if not shortage_of(problem) and (cause := _cause(ranks, settings)):
            raise cause from problem
        raise
    finally:
        over.set()
        _end(ranks)


def _begin(rank: int, port: int, folder: Path, job: dict[str, Any]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", MODULE, str(rank), str(port), str(folder.resolve())]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # dead already: the guard will see it
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
    return process


def _guard(
    ranks: Sequence[subprocess.Popen[bytes]],
    over: threading.Event,
    heartbeat: Heartbeat,
    settings: Distillation,
) -> None:
    """End the worker when another process died, and the worker does not notice because it waits."""
    while not over.wait(0.5):
        if any(process.poll() for process in ranks) and not over.wait(GRACE):
            problem = _cause(ranks, settings) or RunError(_died(1, settings))
            heartbeat.say({"trouble": shortage_of(problem)})
            heartbeat.end("failed", failure_message(problem, batch=settings.batch_size))
            end_children()
            os._exit(1)


def _cause(
    ranks: Sequence[subprocess.Popen[bytes]], settings: Distillation
) -> RunError | MemoryError | None:
    """Why the others are gone; None when none of them died of a trouble of its own."""
    until = time.monotonic() + GRACE
    while time.monotonic() < until:
        codes = [code for process in ranks if (code := process.poll()) not in (None, 0, _SAID)]
        if codes:
            return MemoryError() if _MEMORY in codes else RunError(_died(codes[0], settings))
        time.sleep(0.05)
    return None


def _died(code: int, settings: Distillation) -> str:
    how = f"was ended by signal {-code}" if code < 0 else "stopped with an error"
    return (
        f"One of the {settings.processes} processes of this training {how}; log.txt may say why. "
        "Resume continues from the last checkpoint."
    )


def _end(ranks: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in ranks:
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
    for process in ranks:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Be one of the others; the exit status tells the worker how it ended."""
    rank, port, _ = sys.argv[1:] if arguments is None else arguments
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the worker heeds them, and says when to stop
    job = json.loads(sys.stdin.buffer.readline() or b"{}")
    if not job:
        return 0  # the worker is gone already
    threading.Thread(target=_with_the_worker, daemon=True).start()
    try:
        _follow(job, rank=int(rank), port=int(port))
    except Exception as problem:
        traceback.print_exc()
        sys.stderr.flush()
        if isinstance(problem, SfpError):
            return _SAID
        return _MEMORY if shortage_of(problem) == "memory" else 1
    return 0


def _with_the_worker() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _follow(job: dict[str, Any], *, rank: int, port: int) -> None:
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.training.distill import Training
    from sfp_viz.nets.training.distributed import distributed_fabric, leave_process_group
    from sfp_viz.nets.training.reproducibility import numerics

    numerics(job["threads"])
    settings = Distillation(**job["settings"])
    fabric = distributed_fabric(settings, rank=rank, port=port)
    training = Training(
        load_saved(Path(job["start"])),
        teacher=load_saved(Path(job["teacher"])) if job["teacher"] else None,
        train=load_data(job["data"], "train"),
        test=load_data(job["data"], "test").first(0),
        settings=settings,
        fabric=fabric,
    )
    training.load_state_dict({})
    while training.done < settings.epochs and training.epoch() is not None:
        pass
    leave_process_group()


if __name__ == "__main__":
    sys.exit(main())
