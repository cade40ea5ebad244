"""Fine-tuning as a user types it: one Epoch after another. Runs use distill.Training."""

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
    """Train a copy of ``student`` and yield one Epoch after another; ``student`` stays as it is.

    ``data`` is a name for load_data. The trained network is written to ``save_to`` after the last
    epoch, and is the generator's return value (``model = yield from finetune(...)``); ``Training``
    gives finer control.
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
