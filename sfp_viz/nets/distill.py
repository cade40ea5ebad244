"""Distillation fine-tuning with a variable temperature: the loss, and the loop that yields Epochs.

The loss is Hinton et al. 2015 with the current T: L = (1-a) CE + a T^2 KL(p_teacher || p_student);
the schedule of T is our reading of SFP (methods.md G.8).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.core.training import Distillation, Epoch, learning_rate, temperature
from sfp_viz.errors import DataError, RunError
from sfp_viz.nets.augment import order
from sfp_viz.nets.averaging import Average
from sfp_viz.nets.data import Images, load_data
from sfp_viz.nets.losses import Gap, teacher_loss
from sfp_viz.nets.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.saved import save_model
from sfp_viz.nets.teacher import Teacher, seen_in


class Training:
    """A training in progress: call ``epoch`` until ``done`` epochs reach the settings' number.

    ``student`` is copied, not written to; ``model()`` gives the trained copy. ``state`` and
    ``restore`` carry weights, momentum and position as plain tensors, so that a run can be
    stopped and go on in another process with the same result (on the CPU: with the same number
    of threads).
    """

    def __init__(
        self,
        student: Model,
        *,
        teacher: Model | None,
        train: Images,
        test: Images,
        settings: Distillation,
    ) -> None:
        from lightning_fabric import Fabric  # 3 to 10 s to import: only for those who train

        self.settings = settings
        self.train = train.first(settings.train_images)
        self.test = test.first(settings.test_images)
        _fits(student, self.train)
        if len(self.test):
            _fits(student, self.test)
        if teacher is not None:
            _same_question(student, teacher)
        self._fabric = Fabric(accelerator="auto", devices=1, precision=settings.precision)
        module = copy.deepcopy(student.module).to(memory_format=torch.channels_last)
        module.requires_grad_(True)
        self._student = student
        self._optimizer = torch.optim.SGD(
            _decayed(module, settings.weight_decay),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            nesterov=settings.momentum > 0,
        )
        self.module = module
        self._wrapped, self._optimizer = self._fabric.setup(module, self._optimizer)
        self._average = Average(module, settings.ema) if settings.ema else None
        self._pixels = torch.from_numpy(self.train.pixels.copy())
        self._labels = torch.from_numpy(self.train.labels.copy())
        self._gap, self._teacher = Gap(), None
        if teacher is not None and settings.alpha > 0:
            self._teacher = Teacher(teacher, self._pixels, settings, self._fabric)
        self.done = 0

    def epoch(self, stop: Callable[[], bool] = lambda: False) -> Epoch | None:
        """Train one epoch and measure it; None when ``stop`` said so in the middle of it."""
        settings, started, count = self.settings, time.perf_counter(), len(self.train)
        loss_sum, right, rate = torch.zeros(()), torch.zeros(()), 0.0
        steps = math.ceil(count / settings.batch_size)
        total = steps * settings.epochs
        seen = order(settings.seed, self.done, count)
        degrees = settings.temperature_start
        self.module.train()
        if self._teacher is not None:
            self._teacher.prepare(self.done)
        for step in range(steps):
            if stop():
                return None
            progress = (self.done * steps + step) / total
            degrees = temperature(settings, progress, self._gap.share())
            rate = learning_rate(settings, progress)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            chosen = seen[step * settings.batch_size : (step + 1) * settings.batch_size]
            if len(chosen) == 1 and count > 1:
                continue  # BatchNorm has no statistics of one image
            loss, hits = self._step(chosen, degrees)
            if self._average is not None:
                self._average.add(self.module, self.done * steps + step)
            if not torch.isfinite(loss):
                raise RunError(
                    f"The loss became infinite in epoch {self.done + 1}, step {step + 1}. "
                    "Lower the learning rate and start again."
                )
            loss_sum += loss * len(chosen)
            right += hits
        seconds = time.perf_counter() - started
        self.done += 1
        hits = count_right(self.model(), self.test)
        return Epoch(
            epoch=self.done,
            epochs=settings.epochs,
            loss=float(loss_sum) / count,
            train_accuracy=float(right) / count,
            test_accuracy=hits / max(1, len(self.test)),
            test_images=len(self.test),
            temperature=degrees,
            learning_rate=rate,
            images_per_second=count / seconds,
            seconds=time.perf_counter() - started,
        )

    def _step(self, chosen, degrees: float) -> tuple[Tensor, Tensor]:
        settings = self.settings
        pixels = seen_in(self._pixels, chosen, settings, self.done)
        pixels = self._fabric.to_device(pixels)
        labels = self._fabric.to_device(self._labels[torch.from_numpy(chosen)])
        images = self._student.normalize(pixels).contiguous(memory_format=torch.channels_last)
        logits = self._wrapped(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
        if self._teacher is not None:
            told = self._teacher.logits(pixels, chosen, self.done)
            apart = teacher_loss(logits, told, labels, settings, degrees)
            if settings.schedule == "adaptive":
                self._gap.add(logits, told, labels)
            loss = (1 - settings.alpha) * loss + settings.alpha * apart
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        if settings.clip:
            self._fabric.clip_gradients(
                self._wrapped, self._optimizer, max_norm=settings.clip, error_if_nonfinite=False
            )
        self._optimizer.step()
        return loss.detach().cpu(), (logits.argmax(1) == labels).sum().cpu()

    def model(self) -> Model:
        """The student as trained so far, or its running average: a copy, in the memory format that
        it came in."""
        trained = self.module if self._average is None else self._average.module
        module = (
            copy.deepcopy(trained)
            .requires_grad_(True)
            .to("cpu")
            .to(memory_format=torch.contiguous_format)
        )
        return self._student.with_module(module.eval())

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as tensors by name."""
        state = {f"module.{k}": v.detach().cpu() for k, v in self.module.state_dict().items()}
        for index, group in self._optimizer.state_dict()["state"].items():
            if group.get("momentum_buffer") is not None:
                state[f"momentum.{index}"] = group["momentum_buffer"].detach().cpu()
        if self._average is not None:
            mean = self._average.module.state_dict()
            state |= {f"average.{name}": tensor.detach().cpu() for name, tensor in mean.items()}
        if self.settings.schedule == "adaptive":
            state["gap"] = self._gap.state()
        state["done"] = torch.tensor(self.done)
        return {name: tensor.contiguous() for name, tensor in state.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state`` saved earlier. Raises RunError when it is of another network."""
        module = {k[7:]: v for k, v in state.items() if k.startswith("module.")}
        try:
            self.module.load_state_dict(module)
            saved = self._optimizer.state_dict()
            saved["state"] = {
                int(name[9:]): {"momentum_buffer": tensor}
                for name, tensor in state.items()
                if name.startswith("momentum.")
            }
            self._optimizer.load_state_dict(saved)
            if self._average is not None:
                mean = {k[8:]: v for k, v in state.items() if k.startswith("average.")}
                self._average.module.load_state_dict(mean)
            if self.settings.schedule == "adaptive":
                self._gap.restore(state["gap"])
            self.done = int(state["done"])
        except (KeyError, RuntimeError, ValueError) as problem:
            raise RunError(f"The checkpoint does not fit this run: {problem}") from problem


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


def _decayed(module: nn.Module, decay: float) -> list[dict]:
    """Norm scales and biases are left out of weight decay, as usual (He et al. 2019)."""
    wide = [p for p in module.parameters() if p.ndim > 1]
    thin = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": wide, "weight_decay": decay}, {"params": thin, "weight_decay": 0.0}]


def _fits(student: Model, images: Images) -> None:
    if len(images) == 0:
        raise DataError(f"The data '{images.name}' hold no images.")
    if images.pixels.shape[1:] != student.input_shape:
        raise DataError(
            f"The network takes images of {student.input_shape} (channels, height, width), "
            f"'{images.name}' has {images.pixels.shape[1:]}."
        )
    if int(images.labels.max()) >= student.classes:
        raise DataError(
            f"'{images.name}' has the class {int(images.labels.max())}, but the network only "
            f"{student.classes} classes."
        )


def _same_question(student: Model, teacher: Model) -> None:
    if (teacher.classes, teacher.input_shape) != (student.classes, student.input_shape):
        raise RunError(
            f"The teacher '{teacher.name}' knows {teacher.classes} classes of "
            f"{teacher.input_shape} images, the student '{student.name}' {student.classes} of "
            f"{student.input_shape}. Choose the network that the student was cut from."
        )
