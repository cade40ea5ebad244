"""Settings of a training and the lines of its history. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sfp_viz.errors import RecipeError

Schedule = Literal["fixed", "linear", "cosine", "exponential", "step", "increasing", "adaptive"]
Augmentation = Literal["none", "shift", "crop_flip"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True)
class Distillation:
    """How a student is trained: distillation from the unpruned teacher, or labels alone.

    ``alpha`` in 0..1 is the teacher's share of the loss (0: labels alone). The temperature goes
    from ``temperature_start`` to ``temperature_end`` along ``schedule``; 'cosine' 4 -> 1 is our
    reading of the paper's 'variable temperature coefficient' (its formula was not available).
    ``standardize`` compares logits less their mean and over their standard deviation (Sun et al.
    2024; a start of 2 suits it), ``dkd`` weighs (the label's class, the others) of the teacher's
    part on their own (Zhao et al. 2022: (1, 8)); None keeps them together.
    ``learning_rate`` falls to 0 by a cosine, after a linear ``warmup`` (share of all steps, 0..1).
    ``ema`` in 0..1 is the decay of a running average of the weights, which is what is measured and
    kept; ``clip`` the largest norm of a gradient; 0 turns either off. ``teacher_views``: so many
    changed copies of each image, over and over, so that the teacher looks at each only once; 0
    draws new ones in each epoch. Without augmentation the teacher looks only once anyway.
    ``train_images`` and ``test_images`` limit the data; None takes all of it. A checkpoint is kept
    after each epoch and every ``checkpoint_steps`` steps (0: after epochs alone). ``processes``
    share each batch among them, one a GPU, or all on the CPU; BatchNorm's statistics are then
    each process's own.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.05
    alpha: float = 0.7
    temperature_start: float = 4.0
    temperature_end: float = 1.0
    schedule: Schedule = "cosine"
    label_smoothing: float = 0.0
    augmentation: Augmentation = "crop_flip"
    precision: Precision = "32-true"
    train_images: int | None = None
    test_images: int | None = None
    seed: int = 0
    standardize: bool = False
    dkd: tuple[float, float] | None = None
    ema: float = 0.0
    clip: float = 0.0
    teacher_views: int = 0
    checkpoint_steps: int = 200
    processes: int = 1

    def __post_init__(self) -> None:
        if self.dkd is not None:
            object.__setattr__(self, "dkd", tuple(float(part) for part in self.dkd))
        if self.epochs < 1 or self.batch_size < 1:
            raise RecipeError("A training needs at least one epoch and one image a batch.")
        if not 0 <= self.alpha <= 1:
            raise RecipeError(f"alpha is the teacher's share, 0 to 1, not {self.alpha}.")
        if self.temperature_start <= 0 or self.temperature_end <= 0:
            raise RecipeError("A temperature must be above 0.")
        if not 0 <= self.warmup < 1:
            raise RecipeError(f"warmup is a share of all steps, 0 to 1, not {self.warmup}.")
        known = get_args(Schedule)
        if self.learning_rate <= 0 or self.schedule not in known:
            raise RecipeError(
                f"The learning rate must be above 0 and the schedule one of {sorted(known)}."
            )
        self._check_options()

    def _check_options(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise RecipeError(f"label_smoothing is 0 or more, below 1, not {self.label_smoothing}.")
        pair = self.dkd or (1.0, 1.0)
        if len(pair) != 2 or not all(0 <= part < math.inf for part in pair) or not any(pair):
            raise RecipeError(
                f"dkd is two numbers of 0 or more, one of them above 0, such as (1, 8), not {pair}."
            )
        if not 0 <= self.ema < 1:
            raise RecipeError(f"ema is a decay of 0 or more, below 1, not {self.ema}. 0 is off.")
        if not 0 <= self.clip < math.inf:
            raise RecipeError(f"clip is the largest norm of a gradient, not {self.clip}. 0 is off.")
        if not isinstance(self.teacher_views, int) or not 0 <= self.teacher_views <= 64:
            raise RecipeError(
                f"teacher_views is a whole number, 0 (off) to 64, not {self.teacher_views!r}."
            )
        if not isinstance(self.checkpoint_steps, int) or self.checkpoint_steps < 0:
            raise RecipeError(
                "checkpoint_steps is a whole number of steps, 0 (after epochs alone) or more, not "
                f"{self.checkpoint_steps!r}."
            )
        if not isinstance(self.processes, int) or not 1 <= self.processes <= 64:
            raise RecipeError(
                f"processes is a whole number, 1 to 64, not {self.processes!r}. One a GPU is right."
            )
        if self.processes > self.batch_size:
            raise RecipeError(
                f"A batch of {self.batch_size} images cannot be shared by {self.processes} "
                "processes. Take a larger batch, or fewer processes."
            )


SCHEDULES: Mapping[str, Callable[[float, float, float], float]] = {
    "fixed": lambda start, end, t: start,
    "linear": lambda start, end, t: start + (end - start) * t,
    "cosine": lambda start, end, t: end + (start - end) * (1 + math.cos(math.pi * t)) / 2,
    "exponential": lambda start, end, t: start * (end / start) ** t,
    "step": lambda start, end, t: max(end, start / 2 ** (int(t * 4))),
    "increasing": lambda start, end, t: start + (end - start) * (1 + math.cos(math.pi * t)) / 2,
}


def temperature(settings: Distillation, progress: float, gap: float = 1.0) -> float:
    """Temperature at ``progress`` 0..1 of all steps (methods.md E; the schedule is our reading).

    cosine: T = T1 + (T0 - T1)(1 + cos(pi t)) / 2; 'step' halves at each quarter, not below T1;
    'increasing' is the cosine run backwards, from ``temperature_end`` up to the start. 'adaptive'
    follows the student: T = T1 + (T0 - T1) g with ``gap`` g, what is left of its first distance
    to the teacher, clipped to 0..1 (our own variant, methods.md G.8).
    """
    start, end = settings.temperature_start, settings.temperature_end
    if settings.schedule == "adaptive":
        return end + (start - end) * min(1.0, max(0.0, gap))
    return SCHEDULES[settings.schedule](start, end, progress)


def learning_rate(settings: Distillation, progress: float) -> float:
    """Learning rate at ``progress`` 0..1: a linear warm-up, then a cosine to 0."""
    if progress < settings.warmup:
        return settings.learning_rate * min(1.0, (progress + 1e-3) / settings.warmup)
    rest = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * rest)) / 2


@dataclass(frozen=True)
class Epoch:
    """One line of a history. Accuracies 0..1, measured; losses are means over the epoch.

    ``memory`` is the most bytes used so far, measured: resident in main memory, or allocated on
    the GPU; of all processes together, 0 where it was not measured.
    """

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    test_images: int
    temperature: float
    learning_rate: float
    images_per_second: float
    seconds: float
    memory: int = 0


@dataclass(frozen=True)
class Measured:
    """What was measured on a network, and on what. Fields that were not measured are None.

    ``accuracy`` 0..1 with its 95 % Wilson ``interval``; ``latency_ms`` the median of ``repeats``
    at ``batch`` images and ``threads`` threads, with the quartiles in ``latency_iqr_ms``.
    """

    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    images: int = 0
    data: str = ""
    latency_ms: float | None = None
    latency_iqr_ms: tuple[float, float] | None = None
    batch: int = 0
    threads: int = 0
    repeats: int = 0
    device: str = "cpu"


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927), 0..1; (0, 1) for no images."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    center = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total)
    half *= math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, center - half), min(1.0, center + half)
