"""Distillation fine-tuning with a variable temperature: the loop that yields Epochs.

The loss is Hinton et al. 2015 with the current T: L = (1-a) CE + a T^2 KL(p_teacher || p_student);
the schedule of T is our reading of SFP (docs/method.md). The teacher's part: losses.py.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation, learning_rate, temperature
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError
from sfp_viz.nets.data.augmentation import order
from sfp_viz.nets.data.compatibility import check_images, check_teacher
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.training.distributed import Ranks, alone, fewest, has_norms
from sfp_viz.nets.training.ema import EMA
from sfp_viz.nets.training.losses import Gap, distance, teacher_loss
from sfp_viz.nets.training.peak_memory import peak_bytes
from sfp_viz.nets.training.reproducibility import own_stream, seed_step
from sfp_viz.nets.training.teacher import Teacher, seen_in
from sfp_viz.nets.training.train_state import gather, take_up

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_LOOK = 16  # steps between looks at the loss on a GPU: each look waits for it


class Training:
    """A training in progress: call ``epoch`` until ``done`` epochs reach the settings' number.

    ``student`` is copied, not written to; ``model()`` gives the trained copy. ``state`` and
    ``restore`` carry everything as plain tensors, so that a run can be stopped between any two
    steps and go on in another process with the same result (on the CPU: with the same number of
    threads). ``step`` of the epoch's ``steps`` are done. ``fabric`` is needed for settings with
    several processes, and then made in each of them (runs/work/spread.py).
    """

    def __init__(
        self,
        student: Model,
        *,
        teacher: Model | None,
        train: Images,
        test: Images,
        settings: Distillation,
        fabric: Fabric | None = None,
    ) -> None:
        self.settings = settings
        self.train = train.first(settings.train_images)
        self.test = test.first(settings.test_images)
        check_images(student, self.train)
        if len(self.test):
            check_images(student, self.test)
        if teacher is not None:
            check_teacher(student, teacher)
        self.fabric = fabric or alone(settings)
        self._student = student
        self.module = copy.deepcopy(student.module).to(memory_format=torch.channels_last)
        self.module.requires_grad_(True)
        self._wrapped, self.optimizer = self.fabric.setup(
            self.module, _optimizer(self.module, settings)
        )
        self._ranks = Ranks(self.fabric)
        self._fewest = fewest(self.module, self._ranks)
        self.average = EMA(self.module, settings.ema) if settings.ema else None
        self._pixels = torch.from_numpy(self.train.pixels.copy())
        self._labels = torch.from_numpy(self.train.labels.copy())
        self.gap, self._teacher = Gap(), None
        if teacher is not None and settings.alpha > 0:
            self._teacher = Teacher(teacher, self._pixels, settings, self.fabric, self._ranks)
        self.steps = math.ceil(len(self.train) / settings.batch_size)
        self.done, self.step, self.seconds = 0, 0, 0.0
        self.sums = torch.zeros(2, device=self.fabric.device)  # loss x images, right answers
        self._degrees, self._rate = settings.temperature_start, 0.0

    def epoch(self, stop: Callable[[], bool] = lambda: False) -> Epoch | None:
        """Train an epoch, or the rest of the one begun, and measure it; None when ``stop`` said so.

        ``stop`` is asked before each step: at that moment ``state()`` is whole. With several
        processes the first one's ``stop`` counts, and its Epoch alone was measured.
        """
        begun, earlier = time.perf_counter(), self.seconds
        seen = order(self.settings.seed, self.done, len(self.train))
        self._wrapped.train()
        if self._teacher is not None:
            self._teacher.prepare(self.done)
        with own_stream(self.fabric.device):
            while self.step < self.steps:
                self.seconds = earlier + time.perf_counter() - begun
                if self._ranks.agree(self._ranks.rank == 0 and stop()):
                    return None
                self._one(seen)
                self.step += 1
        self.check()
        self.seconds = trained = earlier + time.perf_counter() - begun
        loss, right = self.sums.tolist()
        return self._measured(loss / len(seen), right / len(seen), trained)

    def _one(self, seen: np.ndarray) -> None:
        """The next step of the epoch that sees the images in the order ``seen``."""
        settings, size = self.settings, self.settings.batch_size
        number = self.done * self.steps + self.step
        progress = number / (self.steps * settings.epochs)
        self._degrees = temperature(settings, progress, self.gap.share())
        self._rate = learning_rate(settings, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate
        batch = seen[self.step * size : (self.step + 1) * size]
        if len(batch) < self._fewest <= len(seen):
            return
        mine, weight = self._ranks.share(batch)
        seed_step(settings.seed, self.done, self.step, self._ranks.rank)
        found = self._ranks.add(self._learn(mine, weight))
        self.sums += found[:2]
        if settings.schedule == "adaptive" and self._teacher is not None:
            self.gap.add(float(found[2]) / len(batch))
        if self.average is not None:
            self.average.add(self.module, number)
        if self.sums.device.type == "cpu" or self.step % _LOOK == 0:
            self.check()

    def _learn(self, chosen: np.ndarray, weight: float) -> Tensor:
        """One step on the images ``chosen``: their loss, right answers, and distance to the teacher
        (for the adaptive temperature), summed over them, float32 [3]; 0 without ``weight``."""
        settings = self.settings
        pixels = self.fabric.to_device(seen_in(self._pixels, chosen, settings, self.done))
        labels = self.fabric.to_device(self._labels[torch.from_numpy(chosen)])
        images = self._student.normalize(pixels).contiguous(memory_format=torch.channels_last)
        logits = self._wrapped(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
        apart = torch.zeros_like(loss)
        if self._teacher is not None:
            told = self._teacher.logits(pixels, chosen, self.done)
            taught = teacher_loss(logits, told, labels, settings, self._degrees)
            if settings.schedule == "adaptive":
                apart = distance(logits, told, labels)
            loss = (1 - settings.alpha) * loss + settings.alpha * taught
        self.optimizer.zero_grad()
        self.fabric.backward(loss if weight == 1 else loss * weight)
        if settings.clip:
            self.fabric.clip_gradients(
                self._wrapped, self.optimizer, max_norm=settings.clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        hits, count = (logits.argmax(1) == labels).sum(), len(chosen)
        return torch.stack([loss.detach() * count, hits, apart * count]) * (weight > 0)

    def _measured(self, loss: float, right: float, trained: float) -> Epoch:
        """Close the epoch, which took ``trained`` seconds, and measure what it came to."""
        began = time.perf_counter()
        self.done, self.step, self.seconds = self.done + 1, 0, 0.0
        self.sums.zero_()
        peak = torch.tensor(peak_bytes(self.fabric.device), device=self.fabric.device)
        memory = int(self._ranks.add(peak))
        hits = count_right(self.model(), self.test) if self._ranks.rank == 0 else 0
        return Epoch(
            epoch=self.done,
            epochs=self.settings.epochs,
            loss=loss,
            train_accuracy=right,
            test_accuracy=hits / max(1, len(self.test)),
            test_images=len(self.test),
            temperature=self._degrees,
            learning_rate=self._rate,
            images_per_second=len(self.train) / trained,
            seconds=trained + time.perf_counter() - began,
            memory=memory,
        )

    def check(self) -> None:
        """Raise RunError when the loss of the epoch under way is no longer finite."""
        if not torch.isfinite(self.sums).all():
            raise RunError(
                f"The loss became infinite in epoch {self.done + 1}, by step {self.step + 1}. "
                "Lower the learning rate and start again."
            )

    def model(self) -> Model:
        """The student as trained so far, or its running average: a copy, in the memory format that
        it came in."""
        trained = self.module if self.average is None else self.average.module
        module = (
            copy.deepcopy(trained)
            .requires_grad_(True)
            .to("cpu")
            .to(memory_format=torch.contiguous_format)
        )
        return self._student.with_module(module.eval())

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on from here, as tensors by name (training_state.py). Raises
        RunError when the loss or the weights are no longer finite."""
        return gather(self)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state`` saved earlier; {} changes nothing. All of several processes must call
        it, and the first one's state counts. Raises RunError when it is of another network."""
        if state := self._ranks.first(state):
            take_up(self, state)

    @property
    def note(self) -> str:
        """What several processes do otherwise than one would, in a sentence; '' for nothing."""
        if self._ranks.size == 1 or not has_norms(self.module):
            return ""
        return (
            f"BatchNorm's statistics are per process: each of the {self._ranks.size} sees its own "
            "part of a batch, so the result differs a little from that of one process."
        )


def _optimizer(module: nn.Module, settings: Distillation) -> torch.optim.Optimizer:
    """SGD with momentum; norm scales and biases are left out of weight decay, as usual (He et al.
    2019)."""
    wide = [p for p in module.parameters() if p.ndim > 1]
    thin = [p for p in module.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [{"params": wide, "weight_decay": settings.weight_decay}, {"params": thin}],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
    )
