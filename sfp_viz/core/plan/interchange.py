"""What other tools read and write: edits as JSON, JSON Schemas, Torch-Pruning's ratio dict."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sfp_viz.core.json_format import format_json, read_json
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits, edits_from_dict, edits_to_dict
from sfp_viz.core.plan.plan import FORMAT, PLAN_FORMAT, Plan
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.validation import kept_units

SCHEMAS: dict[str, type] = {"recipe": Recipe, "edits": Edits, "plan": Plan}
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def edits_to_json(edits: Edits) -> str:
    """The edits as JSON with a format number, as they stand in a plan; keys sorted."""
    return format_json(edits_to_dict(edits), FORMAT)


def edits_from_json(text: str) -> Edits:
    """Read edits; raises PlanError on anything that is none."""
    value = read_json(text, "file of edits", FORMAT)
    return edits_from_dict({name: entry for name, entry in value.items() if name != "format"})


def pruning_ratio_dict(network: Network, plan: Plan) -> dict[str, float]:
    """The share of filters that Torch-Pruning must remove from each layer to get these widths.

    Keys are dotted names; Torch-Pruning wants modules, and 0 for all others:

        modules = dict(model.module.named_modules())
        tp.pruner.MagnitudePruner(
            model.module, images, importance=tp.importance.MagnitudeImportance(), pruning_ratio=0,
            pruning_ratio_dict={modules[name]: ratio for name, ratio in ratios.items()},
        ).step()

    Which filters go is then its own choice; only widths are carried over. All layers of a group
    have one ratio. It is a hair below the share where rounding down would take one filter more.

    Args:
        network: The network.
        plan: A plan for it.

    Raises:
        PlanError: The plan does not fit the network.
    """
    ratios = {}
    for group in network.groups:
        kept = kept_units(network, plan)[group.name]
        if kept == group.size:
            continue
        ratio = 1 - kept / group.size
        while int(group.width * (1 - ratio)) < kept * group.repeats:  # as Torch-Pruning rounds
            ratio = math.nextafter(ratio, 0)
        ratios |= dict.fromkeys(group.layers, ratio)
    return ratios


def schema(name: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a file of ours: 'recipe', 'edits' or 'plan'.

    Made from the dataclass that reads it, so it cannot drift. It knows types and choices;
    ranges, and whether a plan fits a network, are checked where the file is read.
    """
    body = _schema(SCHEMAS[name])
    version = PLAN_FORMAT if name == "plan" else FORMAT
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"sfp-viz {name}",
        **body,
        "properties": {
            "format": {"const": version},
            **body["properties"],
        },
        "required": ["format", *body["required"]],
    }


def schema_json(name: str) -> str:
    """``schema`` as the text that is kept in docs/schemas."""
    return json.dumps(schema(name), indent=1) + "\n"


def _schema(kind: Any) -> dict[str, Any]:
    """The schema of a type: dataclasses, choices, tuples, and what JSON has itself."""
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if is_dataclass(kind) and isinstance(kind, type):
        return _object(kind)
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return {"enum": list(arguments)}
    if get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0])}
    if get_origin(kind) is tuple:
        items = [_schema(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if NoneType in arguments:
        return {"anyOf": [_schema(argument) for argument in arguments]}
    raise TypeError(f"There is no schema for {kind}: add it here, and to the reader.")


def _object(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    first = (kind.__doc__ or "").split("\n\n")[0]
    required = [
        f.name for f in fields(kind) if f.default is NO_DEFAULT and f.default_factory is NO_DEFAULT
    ]
    return {
        "description": " ".join(first.split()),
        "type": "object",
        "properties": {f.name: _schema(hints[f.name]) for f in fields(kind)},
        "required": required,
        "additionalProperties": False,
    }
