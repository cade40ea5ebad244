"""Plan: the exact filters of exact weights that go, and why; as versioned JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from sfp_viz.core.json_format import read_json
from sfp_viz.core.plan.edits import Edits, edits_of, edits_value
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError

FORMAT = 1
_MOST = 16_000_000  # characters of a plan file; a longer one is not ours


@dataclass(frozen=True)
class Removal:
    """Filters of one group that go: sorted unit numbers, and a reason for each, in words."""

    group: str
    filters: tuple[int, ...]
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        in_order = list(self.filters) == sorted(set(self.filters))
        if not in_order or len(self.filters) != len(self.reasons):
            raise PlanError(
                f"The removal of '{self.group}' needs sorted, different filters, a reason each."
            )


@dataclass(frozen=True)
class Plan:
    """What is cut from the weights with ``digest``, with the recipe and edits that led to it."""

    digest: str
    recipe: Recipe
    edits: Edits
    removals: tuple[Removal, ...]

    @property
    def hash(self) -> str:
        """Sixteen digits that identify the plan: the same from the app, a shell or a notebook."""
        return hashlib.sha256(plan_json(self).encode()).hexdigest()[:16]

    def removed(self, group: str) -> tuple[int, ...]:
        """Filters of ``group`` that go."""
        return next((r.filters for r in self.removals if r.group == group), ())


def plan_json(plan: Plan) -> str:
    """The plan as JSON with a format number; floats rounded to 6 digits, keys sorted."""
    value = asdict(plan) | {"edits": edits_value(plan.edits)}
    return json.dumps({"format": FORMAT, **_plain(value)}, sort_keys=True, indent=1)


def plan_from_json(text: str) -> Plan:
    """Read a plan; raises PlanError on anything that is not one."""
    value = read_json(text, "plan", FORMAT, most=_MOST)
    try:
        return Plan(
            digest=str(value["digest"]),
            recipe=_recipe(value["recipe"]),
            edits=edits_of(value["edits"]),
            removals=tuple(
                Removal(
                    str(r["group"]),
                    tuple(int(u) for u in r["filters"]),
                    tuple(str(why) for why in r["reasons"]),
                )
                for r in value["removals"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise PlanError(f"This is no plan of ours: {problem!r} is missing or wrong.") from problem


def recipe_json(recipe: Recipe) -> str:
    """The recipe as JSON with a format number."""
    return json.dumps({"format": FORMAT, **_plain(asdict(recipe))}, sort_keys=True, indent=1)


def recipe_from_json(text: str) -> Recipe:
    """Read a recipe; raises PlanError or RecipeError on anything that is not one."""
    value = read_json(text, "recipe", FORMAT)
    value.pop("format")
    return _recipe(value)


def _recipe(value: Any) -> Recipe:
    known = {f.name for f in fields(Recipe)}
    if not isinstance(value, dict) or set(value) - known:
        raise PlanError("This is no recipe of ours: it has entries that no recipe has.")
    return Recipe(**value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
