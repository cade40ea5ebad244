"""Accuracy against cost: up and to the left is better."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from sfp_viz.core.comparison.tradeoff import Kind, Point, Stage
from sfp_viz.figures.colors import GREY
from sfp_viz.figures.tradeoff.marks import Mark, Series, View, view

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_BARS = 150  # marks; of more, the intervals are not drawn, as they would hide each other
__all__ = ["MOST_BARS", "Kind", "Point", "Stage", "accuracy_against_macs", "tradeoff"]


def accuracy_against_macs(points: Sequence[Point]) -> go.Figure:
    """A chart of accuracy against MACs with 95 % intervals; hollow marks are one-shot, filled ones
    fine-tuned."""
    return tradeoff(view(points))


def tradeoff(picture: View, *, height: int = 420) -> go.Figure:
    """A plotly chart; the first entry of a mark's ``customdata`` is its key.

    Args:
        picture: The chart.
        height: In pixels.
    """
    from sfp_viz.figures import theme

    if not picture.marks:
        return theme.empty("Nothing has been measured on this axis yet.", height=160)
    figure = theme.chart(x=picture.x_title, y=picture.y_title, height=height)
    if len(picture.front) > 1:
        figure.add_scatter(
            x=[x for x, _ in picture.front], y=[y for _, y in picture.front],
            mode="lines", line={"shape": "hv", "color": GREY, "width": 1.5, "dash": "dot"},
            name=f"Pareto front of {picture.among}", hoverinfo="skip",
        )  # fmt: skip
    bars = len(picture.marks) <= MOST_BARS
    for series in picture.series:
        marks = [mark for mark in picture.marks if mark.series == series]
        _add(figure, series, marks, bars=bars)
    figure.update_xaxes(rangemode="tozero")
    if picture.turned:
        most = max((mark.x for mark in picture.marks), default=0.0)
        figure.update_xaxes(range=[1.05 * max(most, 10), -0.03 * max(most, 10)])
        figure.add_hline(0, line={"color": GREY, "width": 1})
    figure.update_layout(hovermode="closest", dragmode=False, clickmode="event+select")
    return figure


def _add(figure: go.Figure, series: Series, marks: list[Mark], *, bars: bool) -> None:
    crosses = series.symbol == "x-thin"  # thin symbols are drawn by their outline alone
    symbol = series.symbol + ("-open" if series.hollow or crosses else "")
    color = series.color
    size = 7 if crosses or len(marks) > 60 else 15 if series.hollow else 11  # a ring around a disc
    figure.add_scatter(
        x=[mark.x for mark in marks],
        y=[mark.y for mark in marks],
        name=series.name,
        mode="markers",
        marker={"symbol": symbol, "size": size, "color": color, "opacity": _opacity(len(marks)),
                "line": {"width": 1.5 if crosses else 2 if series.hollow else 0, "color": color}},
        error_x=_error([(m.x, m.x_span if bars else None) for m in marks], color),
        error_y=_error([(m.y, m.y_span if bars else None) for m in marks], color),
        unselected={"marker": {"opacity": _opacity(len(marks))}},
        selected={"marker": {"size": size + 5}},
        customdata=[[mark.key, _hover(mark)] for mark in marks],
        hovertemplate="%{customdata[1]}<extra></extra>",
    )  # fmt: skip


def _hover(mark: Mark) -> str:
    title, *lines = (escape(word, quote=False) for word in mark.words)
    return "<br>".join([f"<b>{title}</b>", *lines])


def _opacity(marks: int) -> float:
    return 1.0 if marks <= 60 else 0.7


def _error(values: list[tuple[float, tuple[float, float] | None]], color: str) -> dict:
    """Error bars from each value to the ends of its span; none without any span."""
    if not any(span for _, span in values):
        return {"visible": False}
    thin = len(values) > 60
    return {
        "array": [(span or (0, value))[1] - value for value, span in values],
        "arrayminus": [value - (span or (value, 0))[0] for value, span in values],
        "color": color.replace("0.75", "0.4") if thin else color,
        "thickness": 0.5 if thin else 1,
        "width": 0 if thin else 3,
    }
