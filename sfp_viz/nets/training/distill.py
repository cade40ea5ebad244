"""Distillation fine-tuning with a variable temperature: the loop that yields Epochs.

The loss is Hinton et al. 2015 with the current T: L = (1-a) CE + a T^2 KL(p_teacher || p_student);
the schedule of T is our reading of SFP (docs/method.md). The teacher's part: losses.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation, learning_rate, temperature
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError
from sfp_viz.nets.data.augmentation import order
from sfp_viz.nets.data.compatibility import check_images, check_output, check_teacher
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.forward import copy_module, floating_dtype, keep_frozen, logits_of
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.tracing.execution import BATCH_NORMS
from sfp_viz.nets.training.distributed import (
    ProcessGroup,
    has_batch_norm,
    single_process_fabric,
    smallest_batch,
)
from sfp_viz.nets.training.ema import EMA
from sfp_viz.nets.training.losses import TeacherGap, cross_entropy_gap, kd_loss
from sfp_viz.nets.training.peak_memory import peak_bytes
from sfp_viz.nets.training.reproducibility import preserved_rng, seed_step
from sfp_viz.nets.training.teacher import Teacher, augmented
from sfp_viz.nets.training.train_state import TrainState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_CHECK_EVERY = 16  # steps between checks of the loss on a GPU: each check waits for it


class Training:
    """A distillation training: call ``epoch`` until ``done`` equals ``settings.epochs``.

    ``state_dict`` and ``load_state_dict`` carry everything as plain tensors, so that a run can be
    stopped between any two steps and resumed in another process with the same result (on the CPU:
    with the same number of threads).

    Args:
        student: The network to train; it is copied, not changed.
        teacher: The network whose logits the student learns; None trains on labels alone.
        train: Images to train on; the settings may take fewer.
        test: Images to measure the accuracy on after each epoch; the settings may take fewer.
        settings: How to train.
        fabric: The process group, needed for settings with several processes and then made in each
            of them (runs/work/spread.py).

    Attributes:
        state: What changes while it trains.
        fabric: The process group in use.

    Raises:
        DataError: The images do not fit the student.
        ModelError: A network gives no logits, in training or in evaluation.
        RunError: The teacher does not fit the student, no parameter learns, or the settings ask for
            several processes and there is no ``fabric``.
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
        check_model(student)
        check_output(student, training=True)
        check_images(student, self.train)
        if not any(parameter.requires_grad for parameter in student.module.parameters()):
            raise RunError(
                f"Every parameter of '{student.name}' is frozen (requires_grad is False), so there "
                "is nothing to train. Call requires_grad_(True) on the layers that should learn."
            )
        if len(self.test):
            check_images(student, self.test)
        if teacher is not None:
            check_teacher(student, teacher)
        self.fabric = fabric or single_process_fabric(settings)
        self._student = student
        self._dtype = floating_dtype(student.module)
        is_float = self._dtype == torch.float32
        module = copy_module(student.module, dtype=None if is_float else torch.float32)
        module = module.to(memory_format=torch.channels_last)
        self._wrapped, optimizer = self.fabric.setup(module, _optimizer(module, settings))
        self._processes = ProcessGroup(self.fabric)
        self._smallest_batch = smallest_batch(module, self._processes)
        self.state = TrainState(
            module,
            optimizer,
            EMA(module, settings.ema) if settings.ema else None,
            TeacherGap(),
            self.fabric,
            settings,
            steps=math.ceil(len(self.train) / settings.batch_size),
            sums=torch.zeros(2, device=self.fabric.device),
        )
        self._pixels = torch.from_numpy(self.train.pixels.copy())
        self._labels = torch.from_numpy(self.train.labels.copy())
        self._teacher: Teacher | None = None
        if teacher is not None and settings.alpha > 0:
            self._teacher = Teacher(teacher, self._pixels, settings, self.fabric, self._processes)
        self._temperature, self._learning_rate = settings.temperature_start, 0.0

    @property
    def module(self) -> nn.Module:
        """The network being trained."""
        return self.state.module

    @property
    def done(self) -> int:
        """Epochs done."""
        return self.state.done

    @property
    def step(self) -> int:
        """Steps done of the current epoch."""
        return self.state.step

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.state.steps

    def epoch(self, stop: Callable[[], bool] = lambda: False) -> Epoch | None:
        """Train one epoch, or the rest of the current one, and measure the accuracy.

        Args:
            stop: Called before each step, when ``state_dict()`` is whole; True ends the call. Of
                several processes only the first one's counts.

        Returns:
            The line of the history, or None when stopped. Of several processes only the first one
            measures the accuracy.

        Raises:
            RunError: The loss is no longer finite.
        """
        state, start, earlier = self.state, time.perf_counter(), self.state.seconds
        indices = order(self.settings.seed, state.done, len(self.train))
        self._wrapped.train()
        for norm in _frozen_norms(self.module):
            norm.eval()
        if self._teacher is not None:
            self._teacher.prepare(state.done)
        with preserved_rng(self.fabric.device):
            while state.step < state.steps:
                state.seconds = earlier + time.perf_counter() - start
                if self._processes.broadcast_flag(self._processes.rank == 0 and stop()):
                    return None
                self._step(indices)
                state.step += 1
        state.check_loss()
        state.seconds = seconds = earlier + time.perf_counter() - start
        loss, right = state.sums.tolist()
        return self._finish_epoch(loss / len(indices), right / len(indices), seconds)

    def _step(self, indices: np.ndarray) -> None:
        """The next step of an epoch that takes the images in the order ``indices``."""
        state, settings, size = self.state, self.settings, self.settings.batch_size
        number = state.done * state.steps + state.step
        progress = number / (state.steps * settings.epochs)
        self._temperature = temperature(settings, progress, state.gap.remaining())
        self._learning_rate = learning_rate(settings, progress)
        for group in state.optimizer.param_groups:
            group["lr"] = self._learning_rate
        batch = indices[state.step * size : (state.step + 1) * size]
        if len(batch) < self._smallest_batch <= len(indices):
            return
        shard, weight = self._processes.shard(batch)
        seed_step(settings.seed, state.done, state.step, self._processes.rank)
        sums = self._processes.all_reduce(self._train_step(shard, weight))
        state.sums += sums[:2]
        if settings.schedule == "adaptive" and self._teacher is not None:
            state.gap.update(float(sums[2]) / len(batch))
        if state.ema is not None:
            state.ema.update(state.module, number)
        if state.sums.device.type == "cpu" or state.step % _CHECK_EVERY == 0:
            state.check_loss()

    def _train_step(self, batch: np.ndarray, weight: float) -> Tensor:
        """One step of SGD on the images with the indices ``batch``.

        Returns:
            Loss, right answers, and gap to the teacher (for the adaptive temperature), summed over
            the images: float32 [3]; 0 without ``weight``.
        """
        settings, optimizer = self.settings, self.state.optimizer
        pixels = self.fabric.to_device(augmented(self._pixels, batch, settings, self.done))
        labels = self.fabric.to_device(self._labels[torch.from_numpy(batch)])
        images = self._student.normalize(pixels).contiguous(memory_format=torch.channels_last)
        logits = logits_of(self._wrapped, images, self._student.name)
        loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
        teacher_gap = torch.zeros_like(loss)
        if self._teacher is not None:
            teacher_logits = self._teacher.logits(pixels, batch, self.done)
            distillation = kd_loss(logits, teacher_logits, labels, settings, self._temperature)
            if settings.schedule == "adaptive":
                teacher_gap = cross_entropy_gap(logits, teacher_logits, labels)
            loss = (1 - settings.alpha) * loss + settings.alpha * distillation
        optimizer.zero_grad()
        self.fabric.backward(loss if weight == 1 else loss * weight)
        if settings.clip:
            self.fabric.clip_gradients(
                self._wrapped, optimizer, max_norm=settings.clip, error_if_nonfinite=False
            )
        optimizer.step()
        right, count = (logits.argmax(1) == labels).sum(), len(batch)
        return torch.stack([loss.detach() * count, right, teacher_gap * count]) * (weight > 0)

    def _finish_epoch(self, loss: float, train_accuracy: float, seconds: float) -> Epoch:
        """Close the epoch, which took ``seconds``, and measure the accuracy on the test images."""
        start = time.perf_counter()
        self.state.next_epoch()
        peak = torch.tensor(peak_bytes(self.fabric.device), device=self.fabric.device)
        memory = int(self._processes.all_reduce(peak))
        right = count_right(self.model(), self.test) if self._processes.rank == 0 else 0
        return Epoch(
            epoch=self.done,
            epochs=self.settings.epochs,
            loss=loss,
            train_accuracy=train_accuracy,
            test_accuracy=right / max(1, len(self.test)),
            test_images=len(self.test),
            temperature=self._temperature,
            learning_rate=self._learning_rate,
            images_per_second=len(self.train) / seconds,
            seconds=seconds + time.perf_counter() - start,
            memory=memory,
        )

    def model(self) -> Model:
        """A copy of the student as trained so far, or of its EMA, in the usual memory format."""
        trained = self.module if self.state.ema is None else self.state.ema.module
        module = copy_module(trained, device="cpu", dtype=self._dtype).to(
            memory_format=torch.contiguous_format
        )
        keep_frozen(module, self._student.module)
        return self._student.with_module(module.eval())

    def state_dict(self) -> dict[str, Tensor]:
        """Everything needed to resume, as tensors by name (``TrainState.state_dict``).

        Raises:
            RunError: The loss or the weights are no longer finite.
        """
        return self.state.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a ``state_dict``; {} changes nothing.

        Several processes must all call it; the first one's state counts.

        Raises:
            RunError: The state is of another network or other settings.
        """
        if state := self._processes.broadcast(state):
            self.state.load_state_dict(state)

    @property
    def note(self) -> str:
        """In a sentence, what several processes do differently from one; '' for nothing."""
        if self._processes.world_size == 1 or not has_batch_norm(self.module):
            return ""
        return (
            "BatchNorm's statistics are per process: each of the "
            f"{self._processes.world_size} sees its own part of a batch, so the result differs a "
            "little from that of one process."
        )


def _frozen_norms(module: nn.Module) -> Iterator[nn.Module]:
    """The norms whose scales are frozen: they keep their statistics too."""
    for norm in module.modules():
        own = list(norm.parameters(recurse=False))
        if isinstance(norm, BATCH_NORMS) and own and not any(p.requires_grad for p in own):
            yield norm


def _optimizer(module: nn.Module, settings: Distillation) -> torch.optim.Optimizer:
    """SGD with momentum; norm scales and biases are left out of weight decay, as usual (He et al.
    2019)."""
    decayed = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others}],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
    )
