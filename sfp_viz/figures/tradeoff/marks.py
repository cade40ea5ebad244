"""Positions and styles of the points of accuracy against cost.

No plotly here: the chart of the app and the exported SVG are drawn from the same View.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sfp_viz.core.comparison.pareto import Span, front
from sfp_viz.core.comparison.published import Published, drawable, saving
from sfp_viz.core.comparison.tradeoff import (
    Axis,
    Point,
    accuracy_change,
    accuracy_change_span,
    comparable_points,
    cost_on,
    cost_span,
    latency_condition,
    rate_point,
    reduction_of,
    with_known_cost,
)
from sfp_viz.figures.colors import GREY, PALETTE
from sfp_viz.text.numbers import count, milliseconds, percent, signed, span
from sfp_viz.text.published import row_caveats

_NAMES = {"plan": "this plan", "uniform": "uniform L1", "random": "random", "unpruned": "unpruned"}
_STYLES = {
    "plan": ("circle", PALETTE[0]),
    "uniform": ("square", PALETTE[1]),
    "random": ("diamond", PALETTE[2]),
    "unpruned": ("star", GREY),
}
_FAMILY_STYLES = (
    ("triangle-up", PALETTE[3]),
    ("hexagon", PALETTE[4]),
    ("triangle-down", PALETTE[5]),
    ("pentagon", PALETTE[6]),
)
_OTHER_STYLE = ("circle", PALETTE[7])
_PUBLISHED = ("x-thin", GREY)
_AXES = {"macs": "MACs", "params": "params", "latency": "latency"}


@dataclass(frozen=True)
class Series:
    """Marks of one name: ``symbol`` as plotly calls it, ``hollow`` for one-shot networks."""

    name: str
    symbol: str
    color: str
    hollow: bool = False


@dataclass(frozen=True)
class Mark:
    """One mark at (``x``, ``y``) in the units of the axes, with the intervals of both; ``words``
    are the lines of its tooltip, the first its title. ``key`` is '' for what cannot be opened."""

    key: str
    series: Series
    x: float
    y: float
    x_span: Span | None
    y_span: Span | None
    words: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A chart. ``front`` are the corners of the Pareto front, of ``among`` points. ``turned``: the
    x axis runs from right to left, so that up and left is better, as without it."""

    marks: tuple[Mark, ...]
    front: tuple[tuple[float, float], ...]
    among: int
    x_title: str
    y_title: str
    turned: bool = False

    @property
    def series(self) -> tuple[Series, ...]:
        """The series that occur, each once, in order of drawing."""
        return tuple(dict.fromkeys(mark.series for mark in self.marks))


def view(
    points: Sequence[Point],
    *,
    axis: Axis = "macs",
    published: Iterable[Published] | None = None,
) -> View:
    """The chart of ``points``.

    Args:
        points: The points; those whose cost on ``axis`` is not known are left out.
        axis: The cost on the x axis.
        published: Published results to show too. With them (even with none) accuracies become
            changes from the unpruned network and costs become reductions, the only form in which
            results of other networks can be compared. Points whose unpruned network was not
            measured are left out then.

    Raises:
        ValueError: The latencies were measured under different conditions, or ``published`` is
            given for latencies.
    """
    relative = published is not None
    if relative and axis == "latency":
        raise ValueError("Published results have no comparable latency.")
    shown = [
        p for p in with_known_cost(points, axis) if not relative or _relative(p, axis) is not None
    ]
    if axis == "latency" and len({latency_condition(p) for p in shown}) > 1:
        raise ValueError(
            "These latencies were measured with different devices, threads or batch sizes."
        )
    unit = _unit(shown, axis)
    families = _families(shown)
    others = drawable(published or (), axis=axis)
    marks = [_published(row, axis) for row in others]
    marks += [_mark(p, axis, unit, families, relative) for p in _ordered(shown)]
    among = comparable_points(shown, axis)
    corners = [among[i] for i in front([rate_point(p, axis) for p in among])]
    return View(
        tuple(marks),
        tuple(_place(p, axis, unit, relative) for p in corners) if len(among) > 1 else (),
        len(among),
        _x_title(shown, axis, unit, relative),
        "accuracy change from the unpruned network, points"
        if relative
        else "accuracy, % (measured)",
        turned=relative,
    )


def _relative(point: Point, axis: Axis) -> tuple[float, float] | None:
    reduction, change = reduction_of(point, axis), accuracy_change(point)
    return None if reduction is None or change is None else (100 * reduction, 100 * change)


def _place(point: Point, axis: Axis, unit: float, relative: bool) -> tuple[float, float]:
    place = _relative(point, axis) if relative else None
    return place or ((cost_on(point, axis) or 0.0) / unit, 100 * point.accuracy)


def _mark(
    point: Point, axis: Axis, unit: float, families: dict[str, tuple[str, str]], relative: bool
) -> Mark:
    x, y = _place(point, axis, unit, relative)
    around = accuracy_change_span(point) if relative else point.interval
    across = cost_span(point, axis)
    return Mark(
        point.key, _series(point, families), x, y,
        (across[0] / unit, across[1] / unit) if across else None,
        (100 * around[0], 100 * around[1]) if around else None,
        _words(point),
    )  # fmt: skip


def _words(point: Point) -> tuple[str, ...]:
    costs = f"{count(point.macs)} MACs"
    costs += f", {count(point.params)} params" if point.params else ""
    accuracy = f"Accuracy {percent(point.accuracy)}"
    accuracy += f" ({span(point.interval)})" if point.interval else ""
    accuracy += f", measured on {point.images:,} images" if point.images else ", measured"
    lines = [point.label, f"{costs}, counted", accuracy]
    change = accuracy_change(point)
    if change is not None and point.kind != "unpruned":
        lines.append(f"{signed(100 * change)} points compared with the unpruned network")
    if point.latency and point.latency.latency_ms:
        lines.append(f"{milliseconds(point.latency.latency_ms)}, measured")
    return tuple(lines)


def _published(row: Published, axis: Axis) -> Mark:
    reduction, change = saving(row, axis) or 0.0, row.change or 0.0
    words = (
        f"{row.method}: {row.subject}",
        f"{signed(100 * change)} points, {percent(reduction)} fewer {_AXES[axis]} (published)",
        f"Source: {row.source}.",
        *row_caveats(row),
    )
    series = Series("published", *_PUBLISHED)
    return Mark("", series, 100 * reduction, 100 * change, None, None, words)


def _series(point: Point, families: dict[str, tuple[str, str]]) -> Series:
    hollow = point.stage == "one-shot"
    if point.kind == "run":
        known = point.family in families
        name = point.family if known else "other plans"
        symbol, color = families.get(point.family, _OTHER_STYLE)
    else:
        name, (symbol, color) = _NAMES[point.kind], _STYLES[point.kind]
    return Series(
        name if point.stage == "unpruned" else f"{name}, {point.stage}", symbol, color, hollow
    )


def _families(points: Sequence[Point]) -> dict[str, tuple[str, str]]:
    """The styles of the most frequent recipes, by name; the others share one."""
    frequency = Counter(p.family for p in points if p.kind == "run" and p.family)
    most = sorted(frequency, key=lambda name: (-frequency[name], name))
    return dict(zip(most, _FAMILY_STYLES, strict=False))


def _ordered(points: Sequence[Point]) -> list[Point]:
    """The points with the most important ones last, so that they are drawn on top."""
    rank = {"run": 0, "random": 1, "uniform": 2, "unpruned": 3, "plan": 4}
    return sorted(points, key=lambda p: (rank[p.kind], p.family, p.stage != "one-shot"))


def _unit(points: Sequence[Point], axis: Axis) -> float:
    if axis == "latency":
        return 1.0
    most = max((cost_on(p, axis) or 0 for p in points), default=0)
    return 1e6 if most >= 1e6 else 1e3


def _x_title(points: Sequence[Point], axis: Axis, unit: float, relative: bool) -> str:
    if relative:
        return f"reduction of {_AXES[axis]}, % (computed; published as printed)"
    if axis != "latency":
        name = "MACs of one image" if axis == "macs" else "params"
        return f"{name}, {'millions' if unit == 1e6 else 'thousands'} (computed)"
    device, threads, batch = next((c for p in points if (c := latency_condition(p))), ("", 0, 0))
    return f"latency, ms (measured; batch size {batch}, {device}, {threads} threads)"
