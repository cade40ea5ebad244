"""Fine-tuning as a generator of epochs. Runs use distill.Training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import ModelError, RunError
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.io.exported_file import export_pt2
from sfp_viz.nets.io.model_file import save_model
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.training.distill import Training


def finetune(
    student: Model,
    *,
    teacher: Model | None,
    data: str,
    settings: Distillation | None = None,
    save_to: str | Path | None = None,
) -> Iterator[Epoch]:
    """Train a copy of ``student`` and yield one Epoch after another.

    Args:
        student: The network to train; it is not changed.
        teacher: The network whose logits it learns; None trains on labels alone.
        data: The name of the images, as for ``load_data``.
        settings: How to train; None takes the defaults.
        save_to: The file for the trained network, written after the last epoch: safetensors, or
            .pt2. Whether it can be written is tried before the first.

    Returns:
        The trained network, as the generator's return value (``model = yield from finetune(...)``).
        ``Training`` gives finer control.

    Raises:
        DataError: The images do not fit the student.
        ModelError: The student is no Model or cannot be saved, found before the first epoch.
        RunError: The teacher does not fit the student, the settings are none, or the loss is no
            longer finite.
    """
    settings = settings or Distillation()
    check_model(student)
    if teacher is not None:
        check_model(teacher)
    if not isinstance(settings, Distillation):
        raise RunError(f"settings are a Distillation, not {type(settings).__name__}.")
    if save_to is not None:
        _check_saving(student, Path(save_to))
    training = Training(
        student,
        teacher=teacher,
        train=load_data(data, "train"),
        test=load_data(data, "test"),
        settings=settings,
    )
    while training.done < settings.epochs:
        epoch = training.epoch()
        assert epoch is not None
        yield epoch
    if save_to is not None:
        _save(training.model(), Path(save_to))
    return training.model()


def _save(model: Model, path: Path) -> None:
    """Write the network as the file's suffix says."""
    if path.suffix.lower() == ".pt2":
        export_pt2(model, path)
    else:
        save_model(model, path)


def _check_saving(student: Model, path: Path) -> None:
    """Write the untrained network into a temporary file, so that hours of training are not lost to
    a network that cannot be saved."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _save(student, Path(folder) / path.name)
    except OSError as problem:
        raise ModelError(f"The file {path} cannot be written: {problem}.") from problem
