"""The schedule of a run in steps: how many stages, how far each prunes, how long each trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from sfp_viz.errors import RecipeError

Growth = Literal["linear", "geometric", "cubic"]
MOST_STAGES = 20


@dataclass(frozen=True)
class Steps:
    """Pruning and fine-tuning in turns: ``stages`` times, each a little further.

    ``growth`` says how far: 'linear' takes the same share of the original away each time,
    'geometric' the same share of what is left, 'cubic' much at first and little at the end (Zhu &
    Gupta 2017). Each stage but the last is trained for ``epochs``, the last for ``last_epochs``;
    in each the learning rate and the temperature go their whole way.
    """

    stages: int = 3
    growth: Growth = "geometric"
    epochs: int = 2
    last_epochs: int = 10

    def __post_init__(self) -> None:
        known = get_args(Growth)
        if self.growth not in known:
            raise RecipeError(f"'{self.growth}' is no growth. Choose one of: {', '.join(known)}.")
        for name, most in (("stages", MOST_STAGES), ("epochs", 10_000), ("last_epochs", 10_000)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise RecipeError(f"{name} is a whole number from 1 to {most:,}, not {value!r}.")

    @property
    def epochs_of(self) -> tuple[int, ...]:
        """Epochs of each stage."""
        return (*(self.epochs,) * (self.stages - 1), self.last_epochs)

    @property
    def total(self) -> int:
        """Epochs of all stages together."""
        return sum(self.epochs_of)


def targets(steps: Steps, final: float) -> tuple[float, ...]:
    """The reduction that each stage reaches, as shares 0..1 of the original, each above the one
    before; the last is ``final`` itself.

    With k of n stages done: linear f k / n; geometric 1 - (1 - f)^(k / n); cubic f (1 - (1 - k /
    n)^3), which is equation 1 of Zhu & Gupta 2017 from a dense start, read at the stages. Rounded
    to 6 digits, as recipes are.

    Args:
        steps: The schedule.
        final: The last target, 0.01 to 0.99.

    Raises:
        RecipeError: ``final`` is outside of that.
    """
    if not 0.01 <= final <= 0.99:
        raise RecipeError(f"A run in steps needs a target from 1 to 99 %, not {100 * final:g} %.")
    parts = [stage / steps.stages for stage in range(1, steps.stages)]
    way = {
        "linear": lambda t: final * t,
        "geometric": lambda t: 1 - (1 - final) ** t,
        "cubic": lambda t: final * (1 - (1 - t) ** 3),
    }[steps.growth]
    return (*(round(way(t), 6) for t in parts), round(final, 6))


def steps_to_dict(steps: Steps) -> dict[str, Any]:
    """The schedule as JSON values."""
    return asdict(steps)


def steps_from_dict(value: Mapping[str, Any]) -> Steps:
    """The schedule that ``steps_to_dict`` wrote; TypeError where it is none."""
    return Steps(**{f.name: value[f.name] for f in fields(Steps) if f.name in value})
