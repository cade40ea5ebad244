"""The options that make the settings of a training, for all commands that train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import click

from sfp_viz.cli.options.group import Command, option_group
from sfp_viz.core.training.distillation import Augmentation, Distillation, Precision, Schedule

_DEFAULT = Distillation()


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of a training as the command line gives them.

    Attributes:
        data: The images; None for the network's own.
        values: Fields of Distillation by name.
        augmentation: None for the usual one of the images.
    """

    data: str | None
    values: Mapping[str, Any]
    augmentation: Augmentation | None

    def settings(self, data: str, **more: Any) -> Distillation:
        """The settings for the images ``data``, with ``more`` fields of Distillation.

        Raises:
            RecipeError: Settings that make no sense.
        """
        usual = "shift" if data == "digits" else "crop_flip"
        return Distillation(**self.values, **more, augmentation=self.augmentation or usual)


def training_options(*, processes: bool = False, seed: bool = True) -> Command:
    """A decorator that adds the options of a training; the command gets them as ``training``, a
    ``TrainingOptions``.

    Args:
        processes: Whether several processes may share the training.
        seed: Whether --seed is one of them.
    """
    options = (_DATA, *_OPTIONS, *((_PROCESSES,) if processes else ()), *((_SEED,) if seed else ()))
    return lambda command: option_group(command, options, "training", _record)


def _record(
    *, data: str | None, temperature: tuple[float, float], augmentation: Any, **values: Any
) -> TrainingOptions:
    start, end = temperature
    both = {"temperature_start": start, "temperature_end": end}
    return TrainingOptions(data, {**values, **both}, augmentation)


def _number(name: str, help_text: str = "", **more: Any) -> Callable[..., Any]:
    default = getattr(_DEFAULT, name)
    words = {"help": help_text} if help_text else {}
    return click.option(
        f"--{name.replace('_', '-')}", default=default, show_default=True, **words, **more
    )


_DATA = click.option("--data", help="Training and test images; by default the network's own.")
_SEED = click.option(
    "--seed", default=0, show_default=True, help="Seed of the order of the images."
)
_OPTIONS = (
    _number("batch_size", "Images per step."),
    _number("learning_rate", "Peak learning rate of SGD."),
    _number("weight_decay", "L2 penalty of SGD."),
    _number("momentum", "Momentum of SGD."),
    _number("alpha", "Weight of the teacher in the loss; 0 trains without a teacher."),
    click.option("--temperature", type=(float, float), show_default=True,
                 help="Temperature of the distillation at the start and at the end.",
                 default=(_DEFAULT.temperature_start, _DEFAULT.temperature_end)),
    _number("schedule", "Temperature schedule; adaptive follows the gap to the teacher.",
            type=click.Choice(get_args(Schedule))),
    click.option("--standardize", is_flag=True,
                 help="Standardize the logits; use a temperature of 2 or more."),
    click.option("--dkd", type=(click.FloatRange(0), click.FloatRange(0)), metavar="A B",
                 help="Decoupled distillation: weights of the target class and of the others, "
                 "such as 1 8."),
    _number("label_smoothing", "Share of the label spread over all classes."),
    _number("warmup", "Share of all steps in which the learning rate rises to its peak."),
    _number("ema", "Decay of an exponential moving average of the weights; 0 is off."),
    _number("clip", "Gradient clipping: the largest norm; 0 is off."),
    _number("teacher_views", "Augmented copies per image, used in turn; 0 makes new ones in each "
            "epoch."),
    click.option("--augmentation", type=click.Choice(get_args(Augmentation)),
                 help="Augmentation of the training images. [default: shift for digits, else "
                 "crop_flip]"),
    click.option("--precision", type=click.Choice(get_args(Precision)),
                 default=_DEFAULT.precision, show_default=True, help="Floating-point precision."),
    click.option("--train-images", type=click.IntRange(1), help="Train with the first N only."),
    click.option("--test-images", type=click.IntRange(1), help="Test with the first N only."),
)  # fmt: skip
_PROCESSES = _number(
    "processes", "Processes that share each batch, one per GPU; each has its own BatchNorm "
    "statistics.",
    type=click.IntRange(1, 64),
)  # fmt: skip
