"""Recipe and edits saved in the workspace, so that a reload or a link restores them.

They are stored as a plan without removals, under its hash: equal requests are one file.
"""

from __future__ import annotations

import re

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, plan_from_json, plan_to_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError
from sfp_viz.files import write_text
from sfp_viz.ui.cached import loaders

_NAME = re.compile(r"[0-9a-f]{16}")


def save(digest: str, recipe: Recipe, edits: Edits | None) -> str:
    """Save a recipe and edits; returns the name they are saved under, 16 hex digits.

    Args:
        digest: Digest of the weights they are for.
        recipe: The recipe.
        edits: The manual edits, None for none.

    Raises:
        OSError: the workspace cannot be written.
    """
    request = Plan(digest, recipe, edits or Edits(digest), ())
    path = loaders.home() / "asked" / f"{request.hash}.json"
    if not path.exists():
        write_text(path, plan_to_json(request), parents=True)
    return request.hash


def load(name: str, digest: str) -> tuple[Recipe, Edits | None] | None:
    """The saved recipe and edits; None if there are none.

    Args:
        name: The name that ``save`` returned.
        digest: Digest of the weights they must be for.
    """
    if not _NAME.fullmatch(name):
        return None
    try:
        request = plan_from_json((loaders.home() / "asked" / f"{name}.json").read_text())
    except (OSError, SfpError, UnicodeDecodeError):
        return None
    if request.digest != digest or request.edits.digest != digest:
        return None
    return request.recipe, request.edits or None
