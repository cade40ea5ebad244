"""Recipe and edits kept in the workspace, so that a reload or a link brings them back.

They are stored as a plan without removals, under its hash: equal wishes are one file.
"""

from __future__ import annotations

import os
import re
import threading

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, plan_from_json, plan_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError
from sfp_viz.ui.cached import loaders

_NAME = re.compile(r"[0-9a-f]{16}")


def keep(digest: str, recipe: Recipe, edits: Edits | None) -> str:
    """Store what was asked of the weights ``digest``; returns its sixteen digits.

    Raises OSError when the workspace cannot be written.
    """
    asked = Plan(digest, recipe, edits or Edits(digest), ())
    path = loaders.home() / "asked" / f"{asked.hash}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        beside.write_text(plan_json(asked))
        beside.replace(path)
    return asked.hash


def kept(name: str, digest: str) -> tuple[Recipe, Edits | None] | None:
    """What was stored under ``name`` for the weights ``digest``; None when there is nothing."""
    if not _NAME.fullmatch(name):
        return None
    try:
        asked = plan_from_json((loaders.home() / "asked" / f"{name}.json").read_text())
    except (OSError, SfpError, UnicodeDecodeError):
        return None
    if asked.digest != digest or asked.edits.digest != digest:
        return None
    return asked.recipe, asked.edits or None
