"""Settings of a distillation training, and its schedules. No torch."""

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
_COLDEST, _HOTTEST = 0.01, 1000.0  # temperatures at which float32 still tells classes apart
_TEMPERATURE = f"a number, {_COLDEST:g} to {_HOTTEST:,.0f}"

# field, kind, what is allowed in words, and as a test; a NaN passes none of these tests
_ALLOWED: tuple[tuple[str, type | tuple[type, ...], str, Callable[[Any], bool]], ...] = (
    ("epochs", int, "a whole number, 1 or more", lambda n: n >= 1),
    ("batch_size", int, "a whole number of images, 1 or more", lambda n: n >= 1),
    ("learning_rate", _NUMBER, "a finite number above 0", lambda x: 0 < x < math.inf),
    ("momentum", _NUMBER, "a number, 0 or more, below 1", lambda x: 0 <= x < 1),
    ("weight_decay", _NUMBER, "a finite number, 0 or more", lambda x: 0 <= x < math.inf),
    ("warmup", _NUMBER, "a share of all steps, 0 or more, below 1", lambda x: 0 <= x < 1),
    ("alpha", _NUMBER, "the teacher's share of the loss, 0 to 1", lambda x: 0 <= x <= 1),
    ("temperature_start", _NUMBER, _TEMPERATURE, lambda x: _COLDEST <= x <= _HOTTEST),
    ("temperature_end", _NUMBER, _TEMPERATURE, lambda x: _COLDEST <= x <= _HOTTEST),
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
    ("processes", int, "a whole number, 1 to 64 (one per GPU is right)", lambda n: 1 <= n <= 64),
)  # fmt: skip
_OPTIONAL = ("train_images", "test_images")  # None takes all


@dataclass(frozen=True)
class Distillation:
    """Settings of a training: distillation from the unpruned teacher, or labels alone.

    Attributes:
        epochs: Epochs of the training.
        batch_size: Images in a batch.
        learning_rate: Its highest value; a cosine to 0 after the warm-up.
        momentum: Of SGD, below 1.
        weight_decay: Of weights; norm scales and biases have none.
        warmup: Share of all steps, 0..1, in which the learning rate rises linearly.
        alpha: The teacher's share of the loss, 0..1; 0 trains on labels alone.
        temperature_start: Temperature of the distillation, 0.01 to 1,000: beyond, float32 no longer
            tells the classes apart.
        temperature_end: The same at the other end of the schedule.
        schedule: How the temperature changes; 'cosine' 4 -> 1 is our reading of the paper's
            'variable temperature coefficient' (its formula was not available).
        label_smoothing: Of the cross-entropy, 0..1.
        augmentation: How images are changed.
        precision: Number format of the forward pass.
        train_images: How many to train on; None for all.
        test_images: How many to measure the accuracy on; None for all.
        seed: Draws batches, augmentation and dropout.
        standardize: Whether logits are compared minus their mean and over their standard deviation
            (Sun et al. 2024; a start of 2 suits it).
        dkd: Weights of the label's class and of the others in the teacher's part (Zhao et al. 2022:
            (1, 8)); None keeps them together.
        ema: Decay of an exponential moving average of the weights, 0..1; the average is measured
            and kept. 0: off.
        clip: The largest norm of a gradient; 0: off.
        teacher_views: So many augmented copies of each image, over and over, so that the teacher
            sees each only once; 0 draws new ones in each epoch. Without augmentation the teacher
            sees each image only once anyway.
        checkpoint_steps: Steps between checkpoints within an epoch; 0: after epochs alone.
        processes: Processes that share each batch, one per GPU, or all on the CPU. BatchNorm's
            statistics are then each process's own.

    Raises:
        RecipeError: A value makes no sense; the message says what does.
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
        for name, kind, words, fits in _ALLOWED:
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            typed = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
            if not typed or not fits(value):
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
        first, second = (float(weight) for weight in pair)
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
    """The temperature at a step (docs/method.md; the schedule is our reading).

    cosine: T = T1 + (T0 - T1)(1 + cos(pi t)) / 2; 'step' halves at each quarter, not below T1;
    'increasing' is the cosine run backwards, from ``temperature_end`` up to the start. 'adaptive'
    follows the student: T = T1 + (T0 - T1) g; a student no worse than its teacher trains at T1 (our
    own variant; nets/training/losses.py, TeacherGap).

    Args:
        settings: The schedule, T0 and T1.
        progress: Share t of all steps that is done, 0..1.
        gap: For 'adaptive', g: what is left of the student's first gap to the teacher, clipped to
            0..1.
    """
    start, end = settings.temperature_start, settings.temperature_end
    if settings.schedule == "adaptive":
        return end + (start - end) * min(1.0, max(0.0, gap))
    return SCHEDULES[settings.schedule](start, end, progress)


def learning_rate(settings: Distillation, progress: float) -> float:
    """Learning rate at a step: a linear warm-up, then a cosine to 0.

    Args:
        settings: The highest learning rate, and the share of the warm-up.
        progress: Share of all steps that is done, 0..1.
    """
    if progress < settings.warmup:
        return settings.learning_rate * min(1.0, (progress + 1e-3) / settings.warmup)
    after_warmup = (progress - settings.warmup) / (1 - settings.warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * after_warmup)) / 2
