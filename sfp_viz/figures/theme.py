"""Layout of every chart, in one place; the colors are in colors.py.

The first trace of a chart that should stand out carries no color of its own: it takes the first
of the colorway, which the app replaces by its theme's accent, light or dark. What stays in the
background is ``GREY`` or ``FAINT``, which read on both.
"""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.io import from_json

from sfp_viz.figures.colors import DIVERGING, FAINT, GREY, PALETTE, SYMBOLS

__all__ = ["DIVERGING", "FAINT", "GREY", "PALETTE", "SYMBOLS", "chart", "empty", "for_app"]

_TEMPLATE = go.layout.Template(
    layout={
        "colorway": list(PALETTE),
        "font": {"family": "Inter, sans-serif", "size": 12},
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "xaxis": {"gridcolor": FAINT, "zeroline": False},
        "yaxis": {"gridcolor": FAINT, "zeroline": False},
    }
)


def chart(*, x: str = "", y: str = "", height: int = 300, title: str = "") -> go.Figure:
    """A chart without traces, in the layout of all charts.

    Args:
        x: Title of the x axis.
        y: Title of the y axis.
        height: In pixels.
        title: Title of the chart.
    """
    figure = go.Figure(layout={"template": _TEMPLATE})
    figure.update_layout(
        height=height,
        title=title or None,
        margin={"l": 8, "r": 8, "t": 36 if title else 12, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": x, "automargin": True},
        yaxis={"title": y, "automargin": True},
        hoverlabel={"namelength": -1},
    )
    return figure


def empty(message: str, *, height: int = 300) -> go.Figure:
    """An empty chart with a message.

    Args:
        message: Why there is nothing to draw.
        height: In pixels.
    """
    figure = chart(height=height)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text=message, showarrow=False, font={"size": 13})
    return figure


def for_app(figure: go.Figure) -> go.Figure:
    """The figure with placeholders for the palette's colors, which the app's theme replaces.

    '#000001' is the first category of the theme, light or dark (streamlit's own convention).
    """
    text = figure.to_json() or "{}"
    for index, color in enumerate(PALETTE):
        text = text.replace(f'"{color}"', f'"#00000{index + 1}"')
    return from_json(text, skip_invalid=True)
