"""Accuracy against MACs: up and to the left is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sfp_viz.figures import theme
from sfp_viz.figures.numbers import count, percent, span

if TYPE_CHECKING:
    import plotly.graph_objects as go

Kind = Literal["unpruned", "plan", "uniform", "random", "run"]
Stage = Literal["one-shot", "fine-tuned", "unpruned"]


@dataclass(frozen=True)
class Point:
    """One network on the chart.

    ``macs`` of one image are computed, ``accuracy`` 0..1 is measured, with its 95 % ``interval``;
    ``kind`` says where the network comes from, ``stage`` how far it is.
    """

    label: str
    macs: int
    accuracy: float
    interval: tuple[float, float] | None
    kind: Kind
    stage: Stage


_NAMES = {
    "plan": "this plan",
    "uniform": "uniform L1",
    "random": "random",
    "run": "plans",
    "unpruned": "unpruned",
}
_SYMBOLS = {
    "plan": "circle",
    "uniform": "square",
    "random": "diamond",
    "run": "circle",
    "unpruned": "star",
}


def accuracy_against_macs(points: Sequence[Point]) -> go.Figure:
    """Points with their intervals; hollow marks are one-shot, filled ones fine-tuned."""
    if not points:
        return theme.empty("Nothing has been measured yet.", height=380)
    million = max(p.macs for p in points) >= 1e6
    figure = theme.chart(
        x=f"MACs of one image, {'millions' if million else 'thousands'} (computed)",
        y="accuracy, % (measured)",
        height=400,
    )
    for index, kind in enumerate(("plan", "uniform", "random", "unpruned")):
        for stage in ("one-shot", "fine-tuned", "unpruned"):
            mine = [p for p in points if _family(p) == kind and p.stage == stage]
            if mine:
                _add(
                    figure,
                    mine,
                    kind,
                    stage,
                    color=_color(index, kind),
                    unit=1e6 if million else 1e3,
                )
    figure.update_xaxes(rangemode="tozero")
    return figure


def _family(point: Point) -> str:
    return "plan" if point.kind == "run" else point.kind


def _color(index: int, kind: str) -> str:
    return theme.GREY if kind == "unpruned" else theme.PALETTE[index]


def _add(
    figure: go.Figure, points: list[Point], kind: str, stage: str, *, color: str, unit: float
) -> None:
    hollow = stage == "one-shot"
    symbol = _SYMBOLS[kind] + ("-open" if hollow else "")
    others = any(p.kind == "run" for p in points)  # runs of other plans share this plan's mark
    named = _NAMES["run" if others else kind]
    above = [100 * ((p.interval or (0, p.accuracy))[1] - p.accuracy) for p in points]
    below = [100 * (p.accuracy - (p.interval or (p.accuracy, 0))[0]) for p in points]
    figure.add_scatter(
        x=[p.macs / unit for p in points],
        y=[100 * p.accuracy for p in points],
        name=named if stage == "unpruned" else f"{named}, {stage}",
        mode="markers",
        marker={"symbol": symbol, "size": 11, "color": color, "line": {"width": 2, "color": color}},
        error_y={"array": above, "arrayminus": below, "color": color, "thickness": 1, "width": 3},
        customdata=[
            [p.label, count(p.macs), percent(p.accuracy), span(p.interval)] for p in points
        ],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} MACs<br>"
        "%{customdata[2]} (%{customdata[3]})<extra></extra>",
    )
