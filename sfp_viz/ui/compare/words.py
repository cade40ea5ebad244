"""What the Compare page says of its points: the plan against baselines, and the front."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.core.tradeoff import Axis, Point, beaten, front_words, standing_of
from sfp_viz.figures.numbers import percent

SAME = 0.02  # MACs this far apart, relative, count as equal
STANDINGS = {"front": "on the front", "noise": "within noise of it", "worse": "surely below it"}


def finding(points: Sequence[Point]) -> str:
    """How the plan stands to baselines of the same MACs, in a sentence, won or lost; or ''."""
    together = False
    for stage in ("fine-tuned", "one-shot"):
        mine = [p for p in points if p.kind == "plan" and p.stage == stage]
        plain = [p for p in points if p.kind in ("uniform", "random") and p.stage == stage]
        together = together or bool(mine and plain)
        pairs = [(ours, other) for ours in mine for other in plain if _same_macs(ours, other)]
        if pairs:
            ours, other = max(pairs, key=lambda pair: (pair[0].accuracy, pair[1].accuracy))
            return _against(ours, other, stage)
    if together:
        return f"No baseline is within {percent(SAME, 0)} of this plan's MACs: no winner is named."
    return ""


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


def _against(ours: Point, other: Point, stage: str) -> str:
    apart = 100 * (ours.accuracy - other.accuracy)
    if _overlap(ours, other):
        return (
            f"{stage.capitalize()}, this plan and {other.label.split(',')[0]} differ by "
            f"{abs(apart):.1f} points, which is within their intervals: no clear winner."
        )
    word = "above" if apart > 0 else "below"
    return (
        f"This plan is {abs(apart):.1f} points {word} the best baseline "
        f"({stage}, at about the same MACs)."
    )


def _same_macs(one: Point, other: Point) -> bool:
    return abs(one.macs - other.macs) <= SAME * max(one.macs, other.macs)


def _overlap(one: Point, other: Point) -> bool:
    if one.interval is None or other.interval is None:
        return False
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]
