"""Study: what is to be measured of a network besides its weights, in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import RecipeError

Kind = Literal["observe", "sensitivity", "latency", "trust"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Study:
    """The settings of one measurement; which of them play a part depends on ``kind``.

    'observe': ``calibration`` training images are looked at, for ``scores`` ('taylor', 'hrank',
    'chip') too. 'sensitivity': each group alone loses each of ``ratios`` (shares of its filters,
    above 0 and below 1). 'trust': ``count`` plans around the suggestion of ``recipe`` and
    ``edits``, drawn with ``seed``. Both count what is right of the first ``images`` test images
    (None: all), after BatchNorm was estimated anew on ``calibration`` training images.
    'latency': each layer at some widths, with ``batch`` images, ``repeats`` times.
    """

    kind: Kind
    recipe: Recipe = field(default_factory=Recipe)
    edits: Edits | None = None
    images: int | None = None
    calibration: int = 512
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9)
    count: int = 20
    scores: tuple[str, ...] = ()
    batch: int = 1
    repeats: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RecipeError(f"'{self.kind}' is no kind of study. Choose: {', '.join(KINDS)}.")
        for name, least in (("calibration", 2), ("count", 3), ("batch", 1), ("repeats", 2)):
            if getattr(self, name) < least:
                raise RecipeError(f"{name} is at least {least}, not {getattr(self, name)}.")
        if self.images is not None and self.images < 1:
            raise RecipeError(f"A study needs at least one test image, not {self.images}.")
        ratios = tuple(sorted({round(float(ratio), 6) for ratio in self.ratios}))
        if not ratios or not 0 < ratios[0] <= ratios[-1] < 1:
            raise RecipeError(f"ratios are shares above 0 and below 1, not {self.ratios}.")
        object.__setattr__(self, "ratios", ratios)
        object.__setattr__(self, "scores", tuple(self.scores))


def study_to_dict(study: Study) -> dict[str, Any]:
    """The study as JSON values."""
    return asdict(study)


def study_from_dict(value: Mapping[str, Any]) -> Study:
    """The study that ``study_to_dict`` wrote; KeyError, TypeError, ValueError if it is none."""
    known = {f.name for f in fields(Study)}
    settings = {name: setting for name, setting in value.items() if name in known}
    edits = settings.get("edits")
    settings["recipe"] = Recipe(**value["recipe"])
    settings["edits"] = None if edits is None else _edits(edits)
    settings["ratios"] = tuple(value["ratios"])
    return Study(**settings)


def _edits(value: Mapping[str, Any]) -> Edits:
    from sfp_viz.core.plan.edits import edits_from_dict

    return edits_from_dict(value)
