"""Plan: the exact filters of exact weights that are removed, and why; as versioned JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sfp_viz.core.json_format import format_json, read_json, reading
from sfp_viz.core.plan.edits import Edits, edits_from_dict, edits_to_dict
from sfp_viz.core.plan.reason import Reason, reason_from_dict, reason_to_dict
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.version_1 import reason_of, sentence_of
from sfp_viz.errors import PlanError

FORMAT = 1  # of recipes and edits
PLAN_FORMAT = 2  # 1: reasons were sentences; 2: they are records
_MOST = 16_000_000  # characters of a plan file; a longer one is not ours


@dataclass(frozen=True)
class Removal:
    """The filters of one group that are removed: sorted unit numbers, with a reason for each."""

    group: str
    filters: tuple[int, ...]
    reasons: tuple[Reason, ...]

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
        """Sixteen digits that identify the plan: the same from the app, a shell or a notebook.

        They come from the weights' digest, the recipe, the edits and the removed filters, not
        from the reasons. Without removals they are those of version 0.1, so that its links open.
        """
        return _digits(_value(self))

    @property
    def version_1_hash(self) -> str:
        """The sixteen digits by which version 0.1 knew the plan: those of its reasons too."""
        return _digits(_value(self, [[sentence_of(x) for x in r.reasons] for r in self.removals]))

    def removed(self, group: str) -> tuple[int, ...]:
        """The filters of ``group`` that are removed."""
        return next((r.filters for r in self.removals if r.group == group), ())


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON with a format number; floats rounded to 6 digits, keys sorted."""
    value = _value(plan, [[reason_to_dict(reason) for reason in r.reasons] for r in plan.removals])
    return format_json(value, PLAN_FORMAT)


def plan_from_json(text: str) -> Plan:
    """Read a plan of format 1 or 2.

    Raises:
        PlanError: The text is no plan.
    """
    value = read_json(text, "plan", PLAN_FORMAT, earlier=(1,), most=_MOST)
    is_first = value["format"] == 1
    with reading("plan"):
        return Plan(
            digest=str(value["digest"]),
            recipe=_recipe(value["recipe"]),
            edits=edits_from_dict(value["edits"]),
            removals=tuple(
                Removal(
                    str(r["group"]),
                    tuple(int(u) for u in r["filters"]),
                    tuple(
                        reason_of(str(reason)) if is_first else reason_from_dict(reason)
                        for reason in r["reasons"]
                    ),
                )
                for r in value["removals"]
            ),
        )


def recipe_to_json(recipe: Recipe) -> str:
    """The recipe as JSON with a format number."""
    return format_json(_plain(asdict(recipe)), FORMAT)


def recipe_from_json(text: str) -> Recipe:
    """Read a recipe; raises PlanError or RecipeError on anything that is not one."""
    value = read_json(text, "recipe", FORMAT)
    value.pop("format")
    return _recipe(value)


def _value(plan: Plan, reasons: Sequence[Sequence[Any]] | None = None) -> dict[str, Any]:
    """The plan as JSON values, with the ``reasons`` of each removal as they are to be written."""
    removals = [{"group": r.group, "filters": list(r.filters)} for r in plan.removals]
    if reasons is not None:
        removals = [r | {"reasons": own} for r, own in zip(removals, reasons, strict=True)]
    return {
        "digest": plan.digest,
        "recipe": _plain(asdict(plan.recipe)),
        "edits": _plain(edits_to_dict(plan.edits)),
        "removals": removals,
    }


def _digits(value: dict[str, Any]) -> str:
    return hashlib.sha256(format_json(value, 1).encode()).hexdigest()[:16]


def _recipe(value: Any) -> Recipe:
    known = {f.name for f in fields(Recipe)}
    if not isinstance(value, dict) or set(value) - known:
        raise PlanError("This is no recipe of ours: it has entries that no recipe has.")
    return Recipe(**value)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
