"""How far to trust a suggestion: plans of equal cost around it, predicted and measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfp_viz.core.allocation.alternatives import COMPARED, Lack
from sfp_viz.core.comparison.sampled_plans import KINDS, PREDICTORS, Draw, Kind
from sfp_viz.core.json_format import format_json, read_json, reading
from sfp_viz.core.plan.plan import recipe_from_json, recipe_to_json
from sfp_viz.core.plan.recipe import Recipe, Strategy
from sfp_viz.errors import PlanError

FORMAT = 1
LeftOut = tuple[tuple[Strategy, tuple[Lack, ...]], ...]
_SENTENCES: dict[str, Lack] = {  # as version 0.1 wrote them
    "no images were looked at": "observations",
    "the sensitivity was not measured": "sensitivity",
    "the layers were not timed": "latency",
    "it cannot reach the target": "target",
}


@dataclass(frozen=True)
class Trust:
    """Measured on ``images`` test images of ``data``: ``draws`` with their counts.

    ``left_out``: (allocation, what it lacks) of those whose plan could not be drawn; None for an
    older record, made when only the suggestion and uniform were compared.
    """

    digest: str
    data: str
    images: int
    recipe: Recipe
    draws: tuple[Draw, ...]
    seconds: float = 0.0
    left_out: LeftOut | None = ()

    def draw(self, kind: Kind) -> Draw | None:
        """The measured suggestion or uniform plan; None when it was not measured."""
        return next((d for d in self.draws if d.kind == kind and d.right is not None), None)


def trust_to_json(trust: Trust) -> str:
    """The record as JSON with a format number, keys sorted."""
    value = {
        "digest": trust.digest,
        "data": trust.data,
        "images": trust.images,
        "recipe": json.loads(recipe_to_json(trust.recipe)),
        "draws": [
            {
                "kind": d.kind,
                "kept": [list(pair) for pair in d.kept],
                "cost": d.cost,
                "predicted": dict(d.predicted),
                "right": d.right,
            }
            for d in trust.draws
        ],
        "seconds": round(trust.seconds, 3),
    }
    if trust.left_out is not None:
        value["left_out"] = [[name, list(lacks)] for name, lacks in trust.left_out]
    return format_json(value, FORMAT)


def trust_from_json(text: str) -> Trust:
    """Read a record; PlanError or RecipeError on anything that is not one."""
    value = read_json(text, "trust record", FORMAT)
    with reading("trust record"):
        images = int(value["images"])
        draws = tuple(_draw(entry, images) for entry in value["draws"])
        recipe = recipe_from_json(json.dumps(value["recipe"]))
        source = str(value["digest"]), str(value["data"])
        return Trust(*source, images, recipe, draws, float(value["seconds"]), _left_out(value))


def _left_out(value: dict) -> LeftOut | None:
    if "left_out" not in value:
        return None
    strategies: dict[Any, Strategy] = {name: name for name in COMPARED}
    return tuple((strategies[name], _lacks(lacks)) for name, lacks in value["left_out"])


def _lacks(value: Any) -> tuple[Lack, ...]:
    """What an allocation lacks: codes, or the sentence of an earlier version."""
    if isinstance(value, str):
        return tuple(_SENTENCES[sentence] for sentence in value.split(" and "))
    codes: dict[Any, Lack] = {lack: lack for lack in _SENTENCES.values()}
    return tuple(codes[lack] for lack in value)


def _draw(value: dict, images: int) -> Draw:
    kept = tuple((str(name), int(units)) for name, units in value["kept"])
    damage = {str(name): float(number) for name, number in value["predicted"].items()}
    right = value["right"] if value["right"] is None else int(value["right"])
    if value["kind"] not in KINDS or not 0 <= (right or 0) <= images or min(k for _, k in kept) < 1:
        raise PlanError("This is no trust record of ours: a plan in it makes no sense.")
    if not np.isfinite([float(value["cost"]), *damage.values()]).all():
        raise PlanError("This is no trust record of ours: a number in it is not finite.")
    predicted = tuple((name, damage[name]) for name in PREDICTORS if name in damage)
    return Draw(value["kind"], kept, float(value["cost"]), predicted, right)
