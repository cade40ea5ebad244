"""The network of a training as a file: the finished one, or that of the newest checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.errors import RunError
from sfp_viz.files import atomic_path
from sfp_viz.runs.folder import TRAININGS, read_run
from sfp_viz.runs.storage.checkpoints import Checkpoint, read_newest
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import CHECKPOINTS, PRUNED, read_refreshes
from sfp_viz.runs.storage.sparsify import KIND as SPARSIFY

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

START, STUDENT = "start.safetensors", "student.safetensors"


@dataclass(frozen=True)
class Saved:
    """A network in ``file``, trained for ``epoch`` whole epochs of ``epochs`` and ``step`` steps of
    the next one. ``accuracy`` 0..1 is what it was measured to have on ``images`` test images; None
    in the middle of an epoch."""

    file: Path
    epoch: int
    epochs: int
    step: int = 0
    accuracy: float | None = None
    images: int = 0


def save_network(path: Path, target: Path) -> Saved:
    """Write the network of a training, also while it runs: the trained one once it is finished,
    that of the newest checkpoint before, or the pruned one before the first checkpoint of its
    fine-tuning.

    Args:
        path: The folder of the run.
        target: The file to write.

    Raises:
        RunError: The run is not a training, or nothing is trained yet.
        ModelError: The file cannot be written.
    """
    run = read_run(path)
    if run.kind not in TRAININGS:
        raise RunError(f"'{run.id}' is not a training, so it has no network to save.")
    if run.state == "finished" and run.student.exists():
        _copy(run.student, target)
        if run.kind == SPARSIFY and run.result:
            epochs = run.total, run.total, 0  # epochs of both parts
            return Saved(target, *epochs, run.result.accuracy, run.result.images)
        return _saved(run, target, run.settings.epochs, 0)
    for place, before in _places(run):
        if run.kind == "steps" and (place / STUDENT).exists():  # of a stage that is done
            _copy(place / STUDENT, target)
            return _saved(run, target, before + _stage_epochs(run, before), 0)
        if (checkpoint := read_newest(place)) is not None:
            from sfp_viz.nets.io.model_file import save_model

            save_model(_network(place, checkpoint), target)
            if place.name == CHECKPOINTS:
                lines = read_refreshes(run.path)[: checkpoint.done]
                return Saved(
                    target, lines[-1].epoch if lines else 0, run.total, max(1, checkpoint.step)
                )
            return _saved(run, target, before + checkpoint.done, checkpoint.step)
        if place == run.path and (cut := run.path / PRUNED).exists():  # and not tuned yet
            return _cut(run, cut, target)
    steps = run.settings.checkpoint_steps
    first = f"{steps} steps or one epoch, whichever is first" if steps else "one epoch"
    raise RunError(f"The run '{run.id}' has no checkpoint yet. The first one is due after {first}.")


def _cut(run: Run, cut: Path, target: Path) -> Saved:
    """The network that a run that prunes while training has cut, before it was fine-tuned."""
    _copy(cut, target)
    lines, before = read_refreshes(run.path), run.before
    thinned = lines[-1].epoch if lines else 0
    if before is None:  # not measured yet
        return Saved(target, thinned, run.total)
    return Saved(target, thinned, run.total, 0, before.one_shot, before.images)


def _places(run: Run) -> Iterator[tuple[Path, int]]:
    """Folders with checkpoints, the newest stage first, and the epochs that came before each."""
    if run.kind != "steps":
        yield run.path, 0
        if run.kind == SPARSIFY:
            yield run.path / CHECKPOINTS, 0
        return
    from sfp_viz.runs.storage.steps import read_stages, read_steps_request, stage_folder

    each = read_steps_request(run.path).steps.epochs_of
    for stage in reversed(read_stages(run.path)):
        yield stage_folder(run.path, stage.number), sum(each[: stage.number - 1])


def _stage_epochs(run: Run, before: int) -> int:
    from sfp_viz.runs.storage.steps import read_steps_request

    each = read_steps_request(run.path).steps.epochs_of
    return next(count for n, count in enumerate(each) if sum(each[:n]) == before)


def _network(place: Path, checkpoint: Checkpoint) -> Model:
    """The network of a checkpoint: its running average where one is kept, as that is measured."""
    from sfp_viz.nets.io.model_file import load_saved

    start, state = load_saved(_begun_from(place)), checkpoint.state
    prefix = "average." if any(name.startswith("average.") for name in state) else "module."
    weights = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    try:
        start.module.load_state_dict(weights)
    except RuntimeError as problem:
        raise RunError(f"The checkpoint does not fit this run: {problem}") from problem
    return start.with_module(start.module.eval())


def _begun_from(place: Path) -> Path:
    """The network that the checkpoints in ``place`` are of."""
    if place.name == CHECKPOINTS:  # the first part of a run that prunes while training: still whole
        return place.parent / START
    return place / PRUNED if (place / PRUNED).exists() else place / START


def _saved(run: Run, target: Path, epoch: int, step: int) -> Saved:
    line = run.epochs[epoch - 1] if step == 0 and 0 < epoch <= len(run.epochs) else None
    total = run.settings.epochs if run.kind == SPARSIFY else run.total or run.settings.epochs
    if line is None:
        return Saved(target, epoch, total, step)
    return Saved(target, epoch, total, step, line.test_accuracy, line.test_images)


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as fresh:
            shutil.copyfile(source, fresh)
    except OSError as problem:
        raise RunError(f"The file {target} cannot be written: {problem}.") from problem
