"""Reading the JSON of our measured records, whatever a file may hold."""

from __future__ import annotations

import json
from typing import Any

from sfp_viz.errors import PlanError

_MOST = 4_000_000  # characters of a file; a longer one is not ours


def read_json(text: str, kind: str, version: int) -> dict[str, Any]:
    """A JSON object of format ``version``; PlanError, which names the ``kind``, on all else."""
    if len(text) > _MOST:
        raise PlanError(f"The {kind} is longer than {_MOST:,} characters, so it was not read.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise PlanError(f"The {kind} is not readable as JSON: {problem}") from problem
    if not isinstance(value, dict) or value.get("format") != version:
        raise PlanError(f"This is no {kind} of format {version}; is it from a newer version?")
    return value
