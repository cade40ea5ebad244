"""One difference between two plans, in words."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.core.comparison.plan_diff import Change
from sfp_viz.ui.names import listed
from sfp_viz.ui.recipe.recipe_text import LABELS, WORDS

_EDITS = {
    "ratio": "removed by hand",
    "locked": "left whole",
    "clusters": "clusters by hand",
    "kept": "kept by hand",
    "removed": "removed by hand",
    "minimum": "keeps at least",
    "maximum": "keeps at most",
    "makeup": "The others make up for changes by hand",
}


def row(one: Change) -> tuple[str, str, str]:
    """(what, value in A, value in B) of one difference."""
    if not one.group and one.what not in _EDITS:
        label = LABELS.get(one.what, one.what.replace("_", " ").capitalize())
        return label, _choice(one.what, one.a), _choice(one.what, one.b)
    what = f"{one.group}: {_EDITS[one.what]}" if one.group else _EDITS[one.what]
    return what, _edit(one.what, one.a), _edit(one.what, one.b)


def units(numbers: Sequence[int], *, most: int = 12) -> str:
    """Filters by their numbers: '3, 7, 20', of many only how many more."""
    shown = ", ".join(str(unit) for unit in numbers[:most])
    more = len(numbers) - most
    return f"{shown} and {more} more" if more > 0 else shown


def _choice(what: str, value: object) -> str:
    if what in ("target_reduction", "max_ratio") and isinstance(value, float):
        return f"{100 * value:.4g} %"
    if isinstance(value, float):
        return f"{value:g}"
    return WORDS.get(what, {}).get(str(value), str(value))


def _edit(what: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if what == "ratio" and isinstance(value, float):
        return f"{100 * value:.3g} % of its filters"
    if what == "clusters" and isinstance(value, tuple):
        return f"{len({label for label in value if label >= 0})} clusters"
    if isinstance(value, tuple):
        return listed([str(unit) for unit in value], most=8)
    return f"{value} filters"
