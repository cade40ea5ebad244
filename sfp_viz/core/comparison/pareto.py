"""The Pareto front of accuracy against cost, and who is surely worse than it. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Span = tuple[float, float]
Standing = Literal["front", "noise", "worse"]


@dataclass(frozen=True)
class Rated:
    """Something with a ``cost`` (less is better) and a ``gain`` (more is better), in any units.

    The spans are where each may truly lie, such as the 95 % interval of an accuracy or the
    quartiles of a latency; None for what is exact. A span is widened so that it holds its value.
    """

    cost: float
    gain: float
    cost_span: Span | None = None
    gain_span: Span | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cost) and math.isfinite(self.gain)):
            raise ValueError(f"A cost and a gain are finite numbers, not {self.cost}, {self.gain}.")
        for name, value in (("cost_span", self.cost), ("gain_span", self.gain)):
            low, high = getattr(self, name) or (value, value)
            object.__setattr__(self, name, (min(low, value), max(high, value)))


def front(rated: Sequence[Rated]) -> tuple[int, ...]:
    """Indices of those that nobody dominates, by rising cost (equal ones in their order).

    One dominates another when it costs no more and gains no less, and is better in one of the
    two. Equals do not dominate each other, so all of them are there. Spans play no part.
    """
    order = sorted(range(len(rated)), key=lambda i: (rated[i].cost, -rated[i].gain, i))
    indices: list[int] = []
    for i in order:
        last = rated[indices[-1]] if indices else None
        same = last and (last.cost, last.gain) == (rated[i].cost, rated[i].gain)
        if last is None or same or rated[i].gain > last.gain:
            indices.append(i)
    return tuple(indices)


def standings(rated: Sequence[Rated]) -> tuple[Standing, ...]:
    """How each stands to the front of all of them.

    'worse' only where another one costs surely no more (the spans of cost do not overlap, or the
    exact costs allow it) and gains surely more (its span of gain lies above); what is off the
    front without that is 'noise': the measurements do not tell it from the front.
    """
    on_front = set(front(rated))
    beaten = beaten_by(rated)
    return tuple(
        "front" if i in on_front else "noise" if other is None else "worse"
        for i, other in enumerate(beaten)
    )


def beaten_by(rated: Sequence[Rated]) -> tuple[int | None, ...]:
    """For each, the one that surely beats it and surely gains most, as in ``standings``; or None.

    Sorted once, so hundreds of points take no time: O(n log n).
    """
    order = sorted(range(len(rated)), key=lambda i: (_span(rated[i].cost_span)[1], i))
    most, best = [], []  # of the first so many in order: largest lower end of gain, and whose
    for i in order:
        low = _span(rated[i].gain_span)[0]
        if not most or low > most[-1]:
            most.append(low)
            best.append(i)
        else:
            most.append(most[-1])
            best.append(best[-1])
    costs = [_span(rated[i].cost_span)[1] for i in order]
    winners: list[int | None] = []
    for candidate in rated:
        many = bisect_right(costs, _span(candidate.cost_span)[0])
        surely = many and most[many - 1] > _span(candidate.gain_span)[1]
        winners.append(best[many - 1] if surely else None)
    return tuple(winners)


def _span(span: Span | None) -> Span:
    return span or (0.0, 0.0)  # never None after __post_init__
