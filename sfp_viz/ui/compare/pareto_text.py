"""What the Compare page says of the Pareto front and of how a point stands to it."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.core.comparison.tradeoff import Axis, Point, beaten, front_words, standing_of

STANDINGS = {"front": "on the front", "noise": "within noise of it", "worse": "surely below it"}


def standing(points: Sequence[Point], axis: Axis, key: str) -> str:
    """How the point with ``key`` stands to the front, in a sentence; '' where it takes no part."""
    found = standing_of(points, axis)
    if key not in found or len(found) < 2:
        return ""
    where = f"the front of {len(found)} points"
    if found[key] == "front":
        return f"It lies on {where}: none of them costs no more and is more accurate."
    if found[key] == "noise":
        return f"It lies below {where}, but within the noise of the test images: not called worse."
    other = beaten(points, axis, key)
    by = f" '{other.label}' costs no more and is surely more accurate." if other else ""
    return f"It lies below {where}, by more than the intervals.{by}"


def front(points: Sequence[Point], axis: Axis) -> str:
    """The front in a sentence."""
    return front_words(points, axis)
