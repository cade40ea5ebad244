"""The options that make the settings of a training, for all commands that train."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, get_args

import click

from sfp_viz.core.training.distillation import Augmentation, Distillation, Precision, Schedule

Make = Callable[..., Distillation]
_DEFAULT = Distillation()


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a training; it gets ``make``, a function of the name of the
    images, and of fields that have options of another kind here, that returns the settings."""
    return _gathering(command, (*_OPTIONS, _PROCESSES))


def options_of_one_process(command: Callable[..., Any]) -> Callable[..., Any]:
    """``training_options`` for a kind of run that is never shared by several processes."""
    return _gathering(command, _OPTIONS)


def _gathering(command: Callable[..., Any], options: tuple[Any, ...]) -> Callable[..., Any]:
    @wraps(command)
    def gathered(*, temperature: tuple[float, float], augmentation: Any, **rest: Any) -> Any:
        settings = {name: rest.pop(name) for name in _PLAIN if name in rest}

        def make(data: str, **more: Any) -> Distillation:
            usual = "shift" if data == "digits" else "crop_flip"
            return Distillation(
                **settings,
                **more,
                temperature_start=temperature[0],
                temperature_end=temperature[1],
                augmentation=augmentation or usual,
            )

        return command(make=make, **rest)

    whole: Callable[..., Any] = gathered
    for option in reversed(options):
        whole = option(whole)
    return whole


def _number(name: str, help_text: str = "", **more: Any) -> Callable[..., Any]:
    default = getattr(_DEFAULT, name)
    words = {"help": help_text} if help_text else {}
    return click.option(
        f"--{name.replace('_', '-')}", default=default, show_default=True, **words, **more
    )


_OPTIONS = (
    _number("batch_size"),
    _number("learning_rate"),
    _number("weight_decay"),
    _number("momentum"),
    _number("alpha", "The teacher's share."),
    click.option("--temperature", type=(float, float), show_default=True, help="From and to.",
                 default=(_DEFAULT.temperature_start, _DEFAULT.temperature_end)),
    _number("schedule", "How the temperature moves; adaptive: by the gap to the teacher.",
            type=click.Choice(get_args(Schedule))),
    click.option("--standardize", is_flag=True,
                 help="Standardize the logits; a temperature from 2 suits it."),
    click.option("--dkd", type=(click.FloatRange(0), click.FloatRange(0)), metavar="A B",
                 help="Weigh the right class and the others on their own, such as 1 8."),
    _number("label_smoothing"),
    _number("warmup", "Share of all steps in which the learning rate rises."),
    _number("ema", "Decay of an average of the weights, which is kept; 0 is off."),
    _number("clip", "Largest norm of a gradient; 0 is off."),
    _number("teacher_views", "Changed copies of each image, over and over; 0 for new ones."),
    click.option("--augmentation", type=click.Choice(get_args(Augmentation)),
                 help="[default: shift for digits, else crop_flip]"),
    click.option("--precision", type=click.Choice(get_args(Precision)),
                 default=_DEFAULT.precision),
    click.option("--train-images", type=click.IntRange(1), help="Train with the first N only."),
    click.option("--test-images", type=click.IntRange(1), help="Test with the first N only."),
)  # fmt: skip
_PROCESSES = _number(
    "processes", "That share each batch, one a GPU; BatchNorm's statistics are per process.",
    type=click.IntRange(1, 64),
)  # fmt: skip
_PLAIN = (
    "batch_size", "learning_rate", "weight_decay", "momentum", "alpha", "schedule", "standardize",
    "dkd", "label_smoothing", "warmup", "ema", "clip", "teacher_views", "precision",
    "processes", "train_images", "test_images",
)  # fmt: skip
