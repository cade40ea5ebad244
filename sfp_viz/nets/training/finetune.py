"""Fine-tuning as a generator of epochs. Runs use distill.Training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.io.model_file import save_model
from sfp_viz.nets.model import Model
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
        save_to: The safetensors file for the trained network, written after the last epoch.

    Returns:
        The trained network, as the generator's return value (``model = yield from finetune(...)``).
        ``Training`` gives finer control.

    Raises:
        DataError: The images do not fit the student.
        RunError: The teacher does not fit the student, or the loss is no longer finite.
    """
    settings = settings or Distillation()
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
        save_model(training.model(), save_to)
    return training.model()
