"""The work of a fine-tuning: epochs, each with its line and its checkpoint, then the result."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.core.measurement import wilson
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.files import write_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.storage.checkpoints import Checkpoint, Checkpoints
from sfp_viz.runs.storage.history import EPOCHS, append, read_epochs, rewrite
from sfp_viz.runs.storage.records import Before, Result, Run
from sfp_viz.runs.work.heartbeat import Heartbeat, Stopped
from sfp_viz.runs.work.spread import spawn_ranks

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.training.distill import Training
    from sfp_viz.nets.training.distributed import Fabric


def work(run: Run, heartbeat: Heartbeat) -> None:
    """Train from the last checkpoint, or the start, to the end.

    Args:
        run: The run as it was read.
        heartbeat: The worker's.

    Raises:
        SfpError: Something went wrong; its message says what.
        Stopped: The run was asked to stop.
    """
    folder = run.path
    heartbeat.report("loading")
    checkpoints = Checkpoints(folder, epochs=len(read_epochs(folder)))
    note = report_numerics(run.settings, heartbeat, checkpoints.last)
    teacher_file = folder / "teacher.safetensors"
    files = {
        "start": folder / "start.safetensors",
        "teacher": teacher_file if teacher_file.exists() else None,
    }
    with spawn_ranks(folder, run.settings, heartbeat, data=run.data, **files) as fabric:
        training, start, teacher = _training(run, heartbeat, fabric, **files)
        training.load_state_dict(checkpoints.last.state if checkpoints.last is not None else {})
        if training.note:
            heartbeat.say({}, f"{note} {training.note}".strip())
        before = _before(folder, training, start, teacher, heartbeat)
        rewrite(folder / EPOCHS, read_epochs(folder)[: training.done])  # the others are done again
        train(training, folder, heartbeat, checkpoints)
    finish(folder, training.model(), before)


def train(
    training: Training,
    folder: Path,
    heartbeat: Heartbeat,
    checkpoints: Checkpoints,
    *,
    before: int = 0,
    total: int = 0,
) -> None:
    """Train the epochs that are left, each with its line and its checkpoint.

    Args:
        training: The training, with the last checkpoint loaded.
        folder: The folder of the run, with epochs.jsonl.
        heartbeat: The worker's.
        checkpoints: Where the training is saved.
        before: Epochs of the run before this training: those of earlier stages.
        total: Epochs of the run; 0 for those of this training.

    Raises:
        Stopped: The run was asked to stop or to pause; there is a checkpoint of that very step.
        RunError: The loss is no longer finite; the newest checkpoint is that of the last whole
            epoch.
    """
    from sfp_viz.nets.training.reproducibility import numerics

    facts, first_step = numerics(), training.step
    every = training.settings.checkpoint_steps

    def stop() -> bool:
        stopping = heartbeat.step()
        due = every > 0 and training.step % every == 0
        if training.step != first_step and (stopping or due):
            checkpoints.save(training.state_dict(), facts, done=training.done, step=training.step)
        return stopping

    while training.done < training.settings.epochs:
        if heartbeat.stop.is_set():
            raise Stopped(_where(training, heartbeat, before))
        first_step = training.step
        done = before + training.done
        heartbeat.report("training", done=done, steps=training.steps, step=first_step)
        try:
            epoch = training.epoch(stop)
            state = training.state_dict() if epoch is not None else {}
        except RunError as problem:
            checkpoints.drop_begun()
            raise RunError(f"{problem} {_kept(len(read_epochs(folder)))}") from problem
        if epoch is None:
            raise Stopped(_where(training, heartbeat, before))
        line = replace(epoch, epoch=done + 1, epochs=total or epoch.epochs)
        append(folder / EPOCHS, line)  # a line without its checkpoint is taken back
        checkpoints.save(state, facts, done=training.done)


def report_numerics(settings: Distillation, heartbeat: Heartbeat, last: Checkpoint | None) -> str:
    """Compute with the same numerical settings as the worker before us, and write them down.
    Returns a note where that is not possible, so that the result may differ; else ''.

    Args:
        settings: The settings of the training.
        heartbeat: The worker's, which gets the settings and the note.
        last: The checkpoint to continue from.
    """
    from sfp_viz.nets.training.reproducibility import numerics

    earlier = last.facts if last is not None else {}
    threads = earlier.get("threads") or (heartbeat.earlier.threads or None)
    current = numerics(threads, processes=settings.processes)
    changed_keys = [key for key in earlier if earlier[key] != current.get(key)]
    changed = ", ".join(
        f"{key}: {earlier[key]} then, {current.get(key)} now" for key in changed_keys
    )
    note = f"Resumed under other conditions ({changed}), so the result may differ a little."
    note = note if changed_keys else ""
    facts = {"training_precision": settings.precision, "processes": settings.processes}
    heartbeat.say({**current, **facts, "versions": _versions()}, note)
    return note


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("torch", "numpy", "lightning-fabric", "safetensors"):
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def _where(training: Training, heartbeat: Heartbeat, before: int) -> str:
    word, done = "Paused" if heartbeat.outcome() == "paused" else "Stopped", before + training.done
    if training.step:
        at = f"in epoch {done + 1}, after step {training.step} of {training.steps}"
    else:
        at = f"after epoch {done}" if done else "before the first step"
    return f"{word} {at}. Resume continues from there."


def _kept(epochs: int) -> str:
    """What is left of a training whose loss is no longer finite."""
    if not epochs:
        return "No epoch was finished, so no trained network is kept."
    return (
        f"The network of epoch {epochs}, the last good one, is kept: 'runs save' writes it to a "
        "file."
    )


def _training(
    run: Run, heartbeat: Heartbeat, fabric: Fabric | None, *, start: Path, teacher: Path | None
) -> tuple[Training, Model, Model | None]:
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.training.distill import Training

    heartbeat.go_on()
    student = load_saved(start)
    teacher_model = load_saved(teacher) if teacher is not None else None
    if teacher_model is None and run.settings.alpha > 0:
        raise RunError("This run has no teacher. Start it with one, or with alpha 0.")
    train, test = (load_data(run.data, split) for split in ("train", "test"))
    heartbeat.go_on()
    training = Training(
        student, teacher=teacher_model, train=train, test=test, settings=run.settings, fabric=fabric
    )
    return training, student, teacher_model


def _before(
    folder: Path, training: Training, start: Model, teacher: Model | None, heartbeat: Heartbeat
) -> Before:
    """What was measured before the first epoch: read back, or measured now and written down."""
    measured = read_run(folder).before
    if measured is not None:
        return measured
    heartbeat.report("measuring")
    from sfp_viz.nets.evaluation.measure import count_macs, count_params, count_right

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


def finish(folder: Path, model: Model, before: Before) -> None:
    """Write the trained network, and the result of the last epoch.

    Args:
        folder: The folder of the run.
        model: The trained network.
        before: What was measured before the first epoch.
    """
    from sfp_viz.nets.io.model_file import save_model

    save_model(model, folder / "student.safetensors")  # it appears at once
    write_result(folder, before)


def write_result(folder: Path, before: Before, *, seconds: float = 0.0) -> None:
    """Write the result of the last epoch, or of ``before`` where there was none.

    Args:
        folder: The folder of the run.
        before: What was measured before the first epoch.
        seconds: Seconds of training before the first epoch.
    """
    epochs = read_epochs(folder)
    accuracy = epochs[-1].test_accuracy if epochs else before.one_shot
    images = epochs[-1].test_images if epochs else before.images
    result = Result(
        accuracy=accuracy,
        interval=wilson(round(accuracy * images), images),
        images=images,
        one_shot=before.one_shot,
        macs=before.macs,
        params=before.params,
        teacher_accuracy=before.teacher_accuracy,
        seconds=seconds + sum(epoch.seconds for epoch in epochs),
        started=before.started,
        ended=time.time(),
    )
    write_json(folder / "result.json", asdict(result))
