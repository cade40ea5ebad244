"""Accuracy when one group alone is pruned, as small charts on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sfp_viz.core.evidence.sensitivity import Sensitivity, losses, measured_points
from sfp_viz.figures import theme
from sfp_viz.text.numbers import percent, span

if TYPE_CHECKING:
    import plotly.graph_objects as go

_HEIGHT = 108  # pixels of one small chart


def sensitivity_curves(
    sensitivity: Sensitivity,
    *,
    kept: Mapping[str, int] | None = None,
    chosen: str | None = None,
    columns: int = 4,
) -> go.Figure:
    """A small chart for each measured group: one-shot accuracy in % by share of pruned filters.

    Points are measured, with their 95 % intervals; the line between them is estimated. All charts
    share both axes, so that steep ones stand out.

    Args:
        sensitivity: The measurements.
        kept: Units that a plan keeps, by group, to be marked.
        chosen: The group in the accent color; the others are grey.
        columns: Number of charts in a row.
    """
    names = list(sensitivity.right)
    if not names:
        return theme.empty("No group has been measured yet.")
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = theme.chart(height=60 + rows * (_HEIGHT + 34))
    for place, name in enumerate(names):
        _small(figure, sensitivity, name, place, chosen=name == chosen)
        if kept is not None and name in kept:
            _mark(figure, sensitivity, name, place, kept[name])
        _axes(figure, place, columns, rows, lowest=place + columns >= len(names))
        axis = _axis(place)
        figure.add_annotation(
            text=name, x=0, y=1, xref=f"x{axis} domain", yref=f"y{axis} domain",
            xanchor="left", yanchor="bottom", showarrow=False, font={"size": 11},
        )  # fmt: skip
    figure.add_annotation(
        text=f"accuracy, % ({sensitivity.images:,} images), by share of pruned filters, %",
        x=0, y=0, xref="paper", yref="paper", xanchor="left", yanchor="top", yshift=-24,
        showarrow=False, font={"size": 11},
    )  # fmt: skip
    figure.update_layout(showlegend=False, margin={"t": 28, "b": 48})
    return figure


def _small(
    figure: go.Figure, sensitivity: Sensitivity, name: str, place: int, *, chosen: bool
) -> None:
    size, axis = sensitivity.sizes[name], _axis(place)
    color = theme.PALETTE[0] if chosen else theme.GREY
    curve = losses(sensitivity, name)
    whole = 100 * sensitivity.fresh / max(1, sensitivity.images)
    points = measured_points(sensitivity, name)
    figure.add_scatter(
        x=[100 * gone / size for gone in range(size)],
        y=[whole - lost for lost in curve],
        xaxis=f"x{axis}", yaxis=f"y{axis}", mode="lines",
        line={"color": color, "width": 2 if chosen else 1.5},
        hovertemplate=f"{name}<br>%{{x:.0f}} % pruned: %{{y:.1f}} % (estimated)<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[100 * (1 - p.kept / size) for p in points],
        y=[100 * p.accuracy for p in points],
        xaxis=f"x{axis}", yaxis=f"y{axis}", mode="markers",
        marker={"size": 6, "color": color},
        error_y={
            "array": [100 * (p.interval[1] - p.accuracy) for p in points],
            "arrayminus": [100 * (p.accuracy - p.interval[0]) for p in points],
            "color": color, "thickness": 1, "width": 2,
        },
        customdata=[
            [name, p.kept, size, percent(p.accuracy), span(p.interval)] for p in points
        ],
        hovertemplate="%{customdata[0]}<br>keeps %{customdata[1]} of %{customdata[2]}: "
        "%{customdata[3]} (%{customdata[4]}, measured)<extra></extra>",
    )  # fmt: skip


def _mark(figure: go.Figure, sensitivity: Sensitivity, name: str, place: int, units: int) -> None:
    size, axis = sensitivity.sizes[name], _axis(place)
    gone = min(max(size - units, 0), size - 1)
    whole = 100 * sensitivity.fresh / max(1, sensitivity.images)
    figure.add_scatter(
        x=[100 * gone / size],
        y=[whole - losses(sensitivity, name)[gone]],
        xaxis=f"x{axis}", yaxis=f"y{axis}", mode="markers",
        marker={"symbol": "line-ns", "size": 18,
                "line": {"width": 2, "color": theme.PALETTE[0]}},
        hovertemplate=f"{name}<br>the plan keeps {units:,} of {size:,}: "
        "%{y:.1f} % (estimated, this group alone)<extra></extra>",
    )  # fmt: skip


def _axes(figure: go.Figure, place: int, columns: int, rows: int, *, lowest: bool) -> None:
    """Place one pair of axes on the grid, all pairs moving as one."""
    row, column = divmod(place, columns)
    wide, high = 1 / columns, 1 / rows
    axis, first = _axis(place), place == 0
    bottom = 1 - (row + 1) * high
    figure.update_layout(
        {
            f"xaxis{axis}": {
                "domain": [column * wide + 0.01, (column + 1) * wide - 0.01],
                "anchor": f"y{axis}", "range": [0, 102], "tickvals": [0, 50, 90],
                "showticklabels": lowest, "matches": None if first else "x", "title": None,
                "gridcolor": theme.FAINT, "zeroline": False,
            },
            f"yaxis{axis}": {
                "domain": [bottom + 0.12 * high, bottom + 0.84 * high],
                "anchor": f"x{axis}", "range": [0, 102], "dtick": 50, "matches": None if first
                else "y", "title": None, "showticklabels": column == 0,
                "gridcolor": theme.FAINT, "zeroline": False,
            },
        }
    )  # fmt: skip


def _axis(place: int) -> str:
    return "" if place == 0 else str(place + 1)
