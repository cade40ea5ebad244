"""The ways to train that training_speed.py compares, each as a call that does some steps."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.training.losses import distillation_loss
from sfp_viz.nets.training.teacher import augmented
from sfp_viz.runs.work.heartbeat import Heartbeat

BATCH = 128
LABELS, TAUGHT, KEPT = "labels alone", "distillation", "distillation, answers kept"
WORKED, PARTS, WHOLE = "distillation in a worker", "sum of the parts", "the parts in one bare loop"
PREPARED = "the bare loop with the same augmentation"


def ways(
    student: Model, teacher: Model, train: Images, heartbeat: Heartbeat, steps: int
) -> dict[str, Callable[[], object]]:
    """Each way to train ``steps`` steps, as a call."""

    def session(**changes) -> Training:
        settings = Distillation(epochs=10**6, batch_size=BATCH, warmup=0.0, **changes)
        return Training(
            student, teacher=teacher, train=train, test=train.first(0), settings=settings
        )

    def epoch_of(training: Training, ear: Callable[[], bool] = lambda: False) -> Callable[[], None]:
        def go() -> None:
            left = steps

            def stop() -> bool:
                nonlocal left
                left -= 1
                return ear() or left < 0

            while left > 0:
                training.epoch(stop)

        return go

    return {
        LABELS: epoch_of(session(alpha=0.0)),
        TAUGHT: epoch_of(session()),
        KEPT: epoch_of(
            session(teacher_views=1)
        ),  # asks the teacher in the first round, which is left out
        WORKED: epoch_of(session(), heartbeat.step),
        **bare(student, teacher, train.first(steps * BATCH)),
    }


def bare(student: Model, teacher: Model, train: Images) -> dict[str, Callable[[], object]]:
    """The same work in plain torch loops, all of ``train`` once: over ready tensors, and with the
    images augmented and normalized on the way."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pixels = torch.from_numpy(train.pixels.copy())
    images = student.normalize(pixels).to(device).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(train.labels.copy()).to(device)
    batches = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
    learner, teacher_forward = (
        load_copy(model).to(device).to(memory_format=torch.channels_last)
        for model in (student, teacher)
    )
    learner.train()
    optimizer = torch.optim.SGD(
        learner.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4
    )

    def learn(
        batch: torch.Tensor, answers: torch.Tensor, soft_targets: torch.Tensor | None
    ) -> None:
        logits = learner(batch)
        loss = F.cross_entropy(logits, answers)
        if soft_targets is not None:
            loss = 0.3 * loss + 0.7 * distillation_loss(logits, soft_targets, temperature=4.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def ask(batch: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return teacher_forward(batch)

    def parts() -> None:
        for batch, answers in batches:
            learn(batch, answers, None)
        for batch, _ in batches:
            ask(batch)

    def whole() -> None:
        for batch, answers in batches:
            learn(batch, answers, ask(batch))

    def prepared() -> None:
        for start in range(0, len(pixels), BATCH):
            chosen = np.arange(start, min(start + BATCH, len(pixels)))
            inputs = augmented(pixels, chosen, Distillation(), 0)
            batch = student.normalize(inputs).contiguous(memory_format=torch.channels_last)
            learn(batch.to(device), labels[start : start + BATCH], ask(batch.to(device)))

    return {PARTS: parts, WHOLE: whole, PREPARED: prepared}


def load_copy(model: Model) -> torch.nn.Module:
    """A module of its own with the weights of ``model``."""
    return copy.deepcopy(model.module).eval()
