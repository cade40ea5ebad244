"""Accuracies of several networks as bars with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sfp_viz.figures import theme
from sfp_viz.figures.tradeoff.tradeoff import Point

if TYPE_CHECKING:
    import plotly.graph_objects as go


def accuracy_bars(points: Sequence[Point], *, chosen: str = "") -> go.Figure:
    """A bar for each point with its 95 % interval; one of them in the accent color.

    Args:
        points: The networks.
        chosen: Label of the one that stands out; '' for none.
    """
    if not points:
        return theme.empty("Nothing has been measured yet.", height=200)
    figure = theme.chart(x="accuracy, % (measured)", height=60 + 44 * len(points))
    for accent in (True, False):
        shown = [p for p in points if (p.label == chosen) == accent]
        figure.add_bar(
            orientation="h",
            y=[p.label for p in shown],
            x=[100 * p.accuracy for p in shown],
            marker={} if accent else {"color": theme.GREY},
            error_x={
                "array": [100 * ((p.interval or (0, p.accuracy))[1] - p.accuracy) for p in shown],
                "arrayminus": [
                    100 * (p.accuracy - (p.interval or (p.accuracy, 0))[0]) for p in shown
                ],
                "thickness": 1,
                "color": "rgba(128, 128, 128, 1)",
            },
            hovertemplate="%{y}<br>%{x:.1f} %<extra></extra>",
            showlegend=False,
        )
    labels = [p.label for p in points]
    figure.update_layout(barmode="overlay", bargap=0.4)
    figure.update_xaxes(range=[0, 102])
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], showgrid=False)
    return figure
