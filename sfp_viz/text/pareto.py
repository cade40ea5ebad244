"""The Pareto front of accuracy against cost in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.core.comparison.tradeoff import (
    Axis,
    Point,
    beating_point,
    comparable_points,
    standings_by_key,
)

STANDINGS: Mapping[str, str] = {
    "front": "on the front", "noise": "within noise", "worse": "clearly below",
}  # fmt: skip


def front_summary(points: Sequence[Point], axis: Axis) -> str:
    """How many points are on the front, within noise of it and clearly below it, in sentences; ''
    for fewer than two points.

    Args:
        points: Networks with different keys.
        axis: The cost.
    """
    standings = [*standings_by_key(points, axis).values()]
    if len(standings) < 2:
        return ""
    among = comparable_points(points, axis)
    stage = "fine-tuned" if any(p.stage == "fine-tuned" for p in among) else "one-shot"
    unpruned = " (with the unpruned one)" if any(p.stage == "unpruned" for p in among) else ""
    front, noise, worse = (standings.count(word) for word in ("front", "noise", "worse"))
    return (
        f"Pareto front of {len(standings)} {stage} networks{unpruned}: {front} on the front, "
        f"{noise} within noise of it, {worse} clearly below it. Noise is the 95 % interval of the "
        "test images. The variance between seeds is not included."
    )


def standing_sentence(points: Sequence[Point], axis: Axis, key: str) -> str:
    """How the point with ``key`` compares with the front; '' where it is not part of it.

    Args:
        points: Networks with different keys.
        axis: The cost.
        key: Key of the point in question.
    """
    standings = standings_by_key(points, axis)
    if key not in standings or len(standings) < 2:
        return ""
    front = f"the Pareto front of {len(standings)} networks"
    if standings[key] == "front":
        return f"It is on {front}: no other one is more accurate at the same cost or less."
    if standings[key] == "noise":
        return f"It is below {front}, but within the noise of the test images, so not worse."
    other = beating_point(points, axis, key)
    reason = f" '{other.label}' is more accurate and costs no more." if other else ""
    return f"It is clearly below {front}: the intervals do not overlap.{reason}"
