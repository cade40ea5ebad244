"""Settings of a training and the lines of its history. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sfp_viz.errors import RecipeError

Schedule = Literal["fixed", "linear", "cosine", "exponential", "step", "increasing", "adaptive"]
Augmentation = Literal["none", "shift", "crop_flip"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def _one_of(choice: object) -> str:
    return f"one of {', '.join(get_args(choice))}"


_NUMBER = (int, float)
_LEAST, _MOST = 0.01, 1000.0  # temperatures at which float32 still tells classes apart
_HOT = f"a number, {_LEAST:g} to {_MOST:,.0f}"

# field, kind, what is allowed in words, and as a test; a NaN passes none of these tests
_SENSE: tuple[tuple[str, type | tuple[type, ...], str, Callable[[Any], bool]], ...] = (
    ("epochs", int, "a whole number, 1 or more", lambda n: n >= 1),
    ("batch_size", int, "a whole number of images, 1 or more", lambda n: n >= 1),
    ("learning_rate", _NUMBER, "a finite number above 0", lambda x: 0 < x < math.inf),
    ("momentum", _NUMBER, "a number, 0 or more, below 1", lambda x: 0 <= x < 1),
    ("weight_decay", _NUMBER, "a finite number, 0 or more", lambda x: 0 <= x < math.inf),
    ("warmup", _NUMBER, "a share of all steps, 0 or more, below 1", lambda x: 0 <= x < 1),
    ("alpha", _NUMBER, "the teacher's share of the loss, 0 to 1", lambda x: 0 <= x <= 1),
    ("temperature_start", _NUMBER, _HOT, lambda x: _LEAST <= x <= _MOST),
    ("temperature_end", _NUMBER, _HOT, lambda x: _LEAST <= x <= _MOST),
    ("schedule", str, _one_of(Schedule), lambda name: name in get_args(Schedule)),
    ("label_smoothing", _NUMBER, "a number, 0 or more, below 1", lambda x: 0 <= x < 1),
    ("augmentation", str, _one_of(Augmentation), lambda name: name in get_args(Augmentation)),
    ("precision", str, _one_of(Precision), lambda name: name in get_args(Precision)),
    ("train_images", int, "a whole number of images, 1 or more, or None for all", lambda n: n >= 1),
    ("test_images", int, "a whole number of images, 0 or more, or None for all", lambda n: n >= 0),
    ("seed", int, "a whole number, 0 to 2,147,483,647", lambda n: 0 <= n < 2**31),
    ("standardize", bool, "True or False", lambda _: True),
    ("ema", _NUMBER, "a decay of 0 (off) or more, below 1", lambda x: 0 <= x < 1),
    ("clip", _NUMBER, "the largest norm of a gradient, finite, 0 (off) or more",
     lambda x: 0 <= x < math.inf),
    ("teacher_views", int, "a whole number, 0 (off) to 64", lambda n: 0 <= n <= 64),
    ("checkpoint_steps", int, "a whole number of steps, 0 (after epochs alone) or more",
     lambda n: n >= 0),
    ("processes", int, "a whole number, 1 to 64 (one a GPU is right)", lambda n: 1 <= n <= 64),
)  # fmt: skip
_OPEN = ("train_images", "test_images")  # None takes all


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
    each process's own. Temperatures are 0.01 to 1,000: beyond, float32 no longer tells the classes
    apart. RecipeError, with what is allowed, for anything else that makes no sense.
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
            object.__setattr__(self, "dkd", _weights(self.dkd))
        for name, kind, words, fits in _SENSE:
            value = getattr(self, name)
            if value is None and name in _OPEN:
                continue
            known = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
            if not known or not fits(value):
                raise RecipeError(
                    f"The training's setting {name} has to be {words}, not {value!r}."
                )
        if self.processes > self.batch_size:
            raise RecipeError(
                f"A batch of {self.batch_size} images cannot be shared by {self.processes} "
                "processes. Take a larger batch, or fewer processes."
            )


def _weights(pair: Any) -> tuple[float, float]:
    """The two weights of DKD, or RecipeError."""
    try:
        first, second = (float(part) for part in pair)
    except (TypeError, ValueError):
        first = second = math.nan
    if not (0 <= first < math.inf and 0 <= second < math.inf and first + second > 0):
        raise RecipeError(
            "The training's setting dkd is two numbers of 0 or more, one of them above 0, such as "
            f"(1, 8), or None; not {pair!r}."
        )
    return first, second


SCHEDULES: Mapping[str, Callable[[float, float, float], float]] = {
    "fixed": lambda start, end, t: start,
    "linear": lambda start, end, t: start + (end - start) * t,
    "cosine": lambda start, end, t: end + (start - end) * (1 + math.cos(math.pi * t)) / 2,
    "exponential": lambda start, end, t: start * (end / start) ** t,
    "step": lambda start, end, t: max(end, start / 2 ** (int(t * 4))),
    "increasing": lambda start, end, t: start + (end - start) * (1 + math.cos(math.pi * t)) / 2,
}


def temperature(settings: Distillation, progress: float, gap: float = 1.0) -> float:
    """Temperature at ``progress`` 0..1 of all steps (docs/method.md; the schedule is our reading).

    cosine: T = T1 + (T0 - T1)(1 + cos(pi t)) / 2; 'step' halves at each quarter, not below T1;
    'increasing' is the cosine run backwards, from ``temperature_end`` up to the start. 'adaptive'
    follows the student: T = T1 + (T0 - T1) g with ``gap`` g, what is left of its first distance
    to the teacher, clipped to 0..1; a student no worse than its teacher goes at T1 (our own
    variant, docs/method.md; nets/training/losses.py, Gap).
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
