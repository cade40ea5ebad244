"""The worker: trains the run in a folder. ``python -m sfp_viz.runs.worker FOLDER``

It starts quickly (torch is imported after the first heartbeat), obeys ``request``, and writes a
checkpoint after each epoch. Whatever goes wrong is written down for the page to show.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.core.training import Epoch, wilson
from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs.files import beside, locked, write_json, write_whole
from sfp_viz.runs.folder import read_epochs, read_run
from sfp_viz.runs.heartbeat import Heartbeat
from sfp_viz.runs.records import Before, Result, Run

if TYPE_CHECKING:
    from sfp_viz.nets.distill import Training
    from sfp_viz.nets.model import Model


PATIENCE = 5.0  # seconds; a worker that was killed takes a moment to let go of its folder


class _Cancelled(Exception):
    """The run was asked to stop."""


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
    except _Cancelled:
        heartbeat.end("cancelled")
        return 0
    except SfpError as problem:
        return _failed(folder, heartbeat, str(problem))
    except MemoryError:
        return _failed(folder, heartbeat, "The memory was not enough. Try half the batch size.")
    except Exception as problem:  # the page must be told, whatever it was
        text = f"Something unexpected went wrong: {type(problem).__name__}: {problem}"
        if "out of memory" in text or "can't allocate memory" in text:
            text = "The memory was not enough. Try half the batch size."
        return _failed(folder, heartbeat, f"{text} The details are in log.txt.")
    heartbeat.end("finished")
    return 0


def _failed(folder: Path, heartbeat: Heartbeat, message: str) -> int:
    with suppress(OSError), (folder / "log.txt").open("a") as log:
        log.write(traceback.format_exc())
    heartbeat.end("failed", message)
    return 1


def work(folder: Path, heartbeat: Heartbeat) -> None:
    """Train from the last checkpoint, or the start, to the end. Raises SfpError on trouble."""
    dead = heartbeat.earlier.get("pid", 0)
    for half in [*folder.glob(".*.safetensors*"), *folder.glob(f".new-{dead}-*")]:
        half.unlink()  # of a worker that was killed while writing
    run = read_run(folder)
    training, start, teacher = _training(folder, run, heartbeat)
    before = _before(folder, training, start, teacher, heartbeat)
    _clear_history(folder, training.done)
    from sfp_viz.nets.checkpoint import numerics, save_checkpoint, seed_epoch

    steps = math.ceil(len(training.train) / run.settings.batch_size)
    while training.done < run.settings.epochs:
        _go_on(heartbeat)
        heartbeat.tell("training", done=training.done, steps=steps)
        seed_epoch(run.settings.seed, training.done)
        epoch = training.epoch(heartbeat.step)
        if epoch is None:
            raise _Cancelled
        _append(folder / "epochs.jsonl", epoch)  # a line without its checkpoint is taken back
        with beside(folder / "checkpoint.safetensors") as fresh:
            save_checkpoint(fresh, training.state(), numerics())
    _finish(folder, training.model(), before)


def _training(folder: Path, run: Run, heartbeat: Heartbeat) -> tuple[Training, Model, Model | None]:
    heartbeat.tell("loading")
    from sfp_viz.nets.checkpoint import load_checkpoint, numerics
    from sfp_viz.nets.data import load_data
    from sfp_viz.nets.distill import Training
    from sfp_viz.nets.saved import load_saved

    _go_on(heartbeat)
    checkpoint = folder / "checkpoint.safetensors"
    state, then = load_checkpoint(checkpoint) if checkpoint.exists() else (None, {})
    now = numerics(then.get("threads") or heartbeat.earlier.get("threads"))
    other = [key for key in then if then[key] != now.get(key)]
    changed = ", ".join(f"{key}: {then[key]} then, {now.get(key)} now" for key in other)
    note = f"Resumed on another machine ({changed}), so the result may differ a little."
    heartbeat.say(now, note if other else "")
    start = load_saved(folder / "start.safetensors")
    teacher_file = folder / "teacher.safetensors"
    teacher = load_saved(teacher_file) if teacher_file.exists() else None
    if teacher is None and run.settings.alpha > 0:
        raise RunError("This run has no teacher. Start it with one, or with alpha 0.")
    images = [load_data(run.data, split) for split in ("train", "test")]
    _go_on(heartbeat)
    settings = run.settings
    training = Training(start, teacher=teacher, train=images[0], test=images[1], settings=settings)
    if state is not None:
        training.restore(state)
    return training, start, teacher


def _before(
    folder: Path, training: Training, start: Model, teacher: Model | None, heartbeat: Heartbeat
) -> Before:
    """What was measured before the first epoch: read back, or measured now and written down."""
    known = read_run(folder).before
    if known is not None:
        return known
    heartbeat.tell("measuring")
    from sfp_viz.nets.measure import count_macs, count_params, count_right

    count = len(training.test)
    before = Before(
        one_shot=count_right(start, training.test) / max(1, count),
        teacher_accuracy=count_right(teacher, training.test) / max(1, count) if teacher else None,
        images=count,
        macs=count_macs(start),
        params=count_params(start),
        started=heartbeat.started,
    )
    write_json(folder / "before.json", asdict(before))
    return before


def _clear_history(folder: Path, done: int) -> None:
    """Take back lines of epochs that have no checkpoint, and what was half written."""
    epochs = read_epochs(folder)
    if len(epochs) < done:
        raise RunError(
            f"The history has {len(epochs)} epochs, the checkpoint {done}: a file of this run was "
            "changed or lost. Start the run anew."
        )
    lines = "".join(_line(epoch) for epoch in epochs[:done])
    if lines or (folder / "epochs.jsonl").exists():
        write_whole(folder / "epochs.jsonl", lines)


def _append(path: Path, epoch: Epoch) -> None:
    with path.open("a") as file:
        file.write(_line(epoch))
        file.flush()
        os.fsync(file.fileno())


def _line(epoch: Epoch) -> str:
    return json.dumps(asdict(epoch)) + "\n"


def _finish(folder: Path, model: Model, before: Before) -> None:
    from sfp_viz.nets.saved import save_model

    save_model(model, folder / "student.safetensors")  # it appears at once
    epochs = read_epochs(folder)
    last = epochs[-1]
    right = round(last.test_accuracy * last.test_images)
    result = Result(
        accuracy=last.test_accuracy,
        interval=wilson(right, last.test_images),
        images=last.test_images,
        one_shot=before.one_shot,
        macs=before.macs,
        params=before.params,
        teacher_accuracy=before.teacher_accuracy,
        seconds=sum(epoch.seconds for epoch in epochs),
        started=before.started,
        ended=time.time(),
    )
    write_json(folder / "result.json", asdict(result))


def _go_on(heartbeat: Heartbeat) -> None:
    if heartbeat.stop.is_set():
        raise _Cancelled


if __name__ == "__main__":
    with suppress(OSError):
        os.nice(5)  # the page stays quick
    sys.exit(main())
