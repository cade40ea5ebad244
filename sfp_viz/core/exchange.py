"""What other tools read and write: edits as JSON, JSON Schemas, Torch-Pruning's ratio dict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sfp_viz.core.edits import Edits
from sfp_viz.core.plan import FORMAT, plan_from_json, recipe_json
from sfp_viz.core.recipe import Recipe
from sfp_viz.errors import PlanError


def edits_json(edits: Edits) -> str:
    """The edits as JSON with a format number, as they stand in a plan; keys sorted."""
    return json.dumps({"format": FORMAT, **asdict(edits)}, sort_keys=True, indent=1)


def edits_from_json(text: str) -> Edits:
    """Read edits; raises PlanError on anything that is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise PlanError(f"The edits are not readable as JSON: {problem}") from problem
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise PlanError(
            f"These are no edits of format {FORMAT}; they may come from a newer version."
        )
    return edits_of(value)


def edits_of(value: Mapping[str, Any]) -> Edits:
    """The edits in a JSON object that was read already; PlanError if there are none."""
    recipe = json.loads(recipe_json(Recipe()))
    recipe.pop("format")
    known = {name: part for name, part in value.items() if name != "format"}
    empty = {name: [] for name in ("ratios", "protected", "clusters", "keep", "remove")}
    plan = {"format": FORMAT, "digest": "", "recipe": recipe, "removals": []}
    return plan_from_json(json.dumps({**plan, "edits": {**empty, **known}})).edits
