"""Points of accuracy against cost: one pruned network each, with what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sfp_viz.core.comparison.pareto import Rated, Span, Standing, beaten_by, standings
from sfp_viz.core.measurement import Measured

Kind = Literal["unpruned", "plan", "uniform", "random", "run"]
Stage = Literal["one-shot", "fine-tuned", "unpruned"]
Axis = Literal["macs", "params", "latency"]


@dataclass(frozen=True)
class Whole:
    """The unpruned network of a point: MACs and params (0: not known) are counted, ``accuracy``
    0..1 was measured on the same test images as the point's; None where it was not."""

    macs: int = 0
    params: int = 0
    accuracy: float | None = None


@dataclass(frozen=True)
class Point:
    """One network on the chart.

    ``macs`` of one image and ``params`` (0: not known) are computed; ``accuracy`` 0..1 is
    measured on ``images`` test images, with its 95 % ``interval``; ``latency`` was measured too,
    or is None. ``kind`` says where the network comes from, ``stage`` how far it is; ``family``
    names its recipe ('' where it is not known), ``key`` tells the points of a chart apart (a
    run's is 'run:' and its id). ``whole`` is the network before pruning.
    """

    label: str
    macs: int
    accuracy: float
    interval: tuple[float, float] | None
    kind: Kind
    stage: Stage
    key: str = ""
    params: int = 0
    images: int = 0
    latency: Measured | None = None
    whole: Whole | None = None
    family: str = ""


def cost_on(point: Point, axis: Axis) -> float | None:
    """MACs, params or milliseconds of a point; None where they are not known.

    Args:
        point: The network.
        axis: Which cost.
    """
    if axis == "latency":
        return point.latency.latency_ms if point.latency else None
    return getattr(point, axis) or None


def cost_span(point: Point, axis: Axis) -> Span | None:
    """The quartiles of a measured latency; None for what is counted exactly.

    Args:
        point: The network.
        axis: Which cost.
    """
    return point.latency.latency_iqr_ms if axis == "latency" and point.latency else None


def reduction_of(point: Point, axis: Axis) -> float | None:
    """Share of the unpruned network's MACs or params that is gone, up to 1; None if not known.

    Args:
        point: The network.
        axis: Which cost; a latency has no reduction.
    """
    cost = cost_on(point, axis)
    before = getattr(point.whole, axis, 0) if point.whole else 0
    return 1 - cost / before if cost and before else None


def accuracy_change(point: Point) -> float | None:
    """Accuracy less the unpruned network's on the same images, -1..1; None if not known."""
    whole = point.whole
    return None if whole is None or whole.accuracy is None else point.accuracy - whole.accuracy


def accuracy_change_span(point: Point) -> Span | None:
    """The interval of the pruned accuracy, seen from the unpruned accuracy as if that were exact:
    both were measured on the same images, whose pairs are not kept."""
    if point.interval is None or point.whole is None or point.whole.accuracy is None:
        return None
    low, high = point.interval
    return low - point.whole.accuracy, high - point.whole.accuracy


def with_known_cost(points: Sequence[Point], axis: Axis) -> tuple[Point, ...]:
    """The points whose cost on the axis is known.

    Args:
        points: Networks, in any order.
        axis: Which cost.
    """
    return tuple(point for point in points if cost_on(point, axis) is not None)


def rate_point(point: Point, axis: Axis) -> Rated:
    """A point as the Pareto front sees it; its cost on the axis must be known.

    Args:
        point: The network.
        axis: Which cost.
    """
    cost = cost_on(point, axis)
    return Rated(cost or 0.0, point.accuracy, cost_span(point, axis), point.interval)


def latency_condition(point: Point) -> tuple[str, int, int] | None:
    """(device, threads, batch) of a measured latency: times of different ones are never mixed."""
    latency = point.latency
    return (latency.device, latency.threads, latency.batch) if latency else None


def comparable_points(points: Sequence[Point], axis: Axis) -> tuple[Point, ...]:
    """The points among which a front is drawn: trained ones and the unpruned network, or, where
    nothing is trained, the one-shot ones with it. Trained and untrained are not mixed.

    Args:
        points: Networks, in any order.
        axis: The cost; those for which it is not known are left out.
    """
    known = with_known_cost(points, axis)
    stage = "fine-tuned" if any(p.stage == "fine-tuned" for p in known) else "one-shot"
    return tuple(p for p in known if p.stage in (stage, "unpruned"))


def standings_by_key(points: Sequence[Point], axis: Axis) -> dict[str, Standing]:
    """How each point that the front is drawn among stands to it, by its key.

    Args:
        points: Networks with different keys.
        axis: Which cost.
    """
    among = comparable_points(points, axis)
    among_standings = standings([rate_point(point, axis) for point in among])
    return {point.key: standing for point, standing in zip(among, among_standings, strict=True)}


def beating_point(points: Sequence[Point], axis: Axis, key: str) -> Point | None:
    """The point that surely beats the one with ``key``; None where nobody does.

    Args:
        points: Networks with different keys.
        axis: Which cost.
        key: Key of the point in question.
    """
    among = comparable_points(points, axis)
    at = next((i for i, point in enumerate(among) if point.key == key), None)
    other = None if at is None else beaten_by([rate_point(point, axis) for point in among])[at]
    return None if other is None else among[other]
