"""The work of a fine-tuning: epochs, each with its line and its checkpoint, then the result."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.core.training import wilson
from sfp_viz.errors import RunError
from sfp_viz.runs.files import beside, write_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.heartbeat import Cancelled, Heartbeat
from sfp_viz.runs.lines import EPOCHS, append, read_epochs, rewrite
from sfp_viz.runs.records import Before, Result, Run

if TYPE_CHECKING:
    from sfp_viz.nets.distill import Training
    from sfp_viz.nets.model import Model


def work(run: Run, heartbeat: Heartbeat) -> None:
    """Train from the last checkpoint, or the start, to the end. Raises SfpError on trouble."""
    folder = run.path
    training, start, teacher = _training(folder, run, heartbeat)
    before = _before(folder, training, start, teacher, heartbeat)
    _clear_history(folder, training.done)
    from sfp_viz.nets.checkpoint import numerics, save_checkpoint, seed_epoch

    steps = math.ceil(len(training.train) / run.settings.batch_size)
    while training.done < run.settings.epochs:
        heartbeat.go_on()
        heartbeat.tell("training", done=training.done, steps=steps)
        seed_epoch(run.settings.seed, training.done)
        epoch = training.epoch(heartbeat.step)
        if epoch is None:
            raise Cancelled
        append(folder / EPOCHS, epoch)  # a line without its checkpoint is taken back
        with beside(folder / "checkpoint.safetensors") as fresh:
            save_checkpoint(fresh, training.state(), numerics())
    _finish(folder, training.model(), before)


def _training(folder: Path, run: Run, heartbeat: Heartbeat) -> tuple[Training, Model, Model | None]:
    heartbeat.tell("loading")
    from sfp_viz.nets.checkpoint import load_checkpoint, numerics
    from sfp_viz.nets.data import load_data
    from sfp_viz.nets.distill import Training
    from sfp_viz.nets.saved import load_saved

    heartbeat.go_on()
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
    heartbeat.go_on()
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
    rewrite(folder / EPOCHS, epochs[:done])


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
