"""The similarity of all pairs of filters of a group, ordered by cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sfp_viz.figures import theme
from sfp_viz.figures.colors import GLASS

if TYPE_CHECKING:
    import plotly.graph_objects as go

# At 0 the background shows through, on a light and on a dark page.
_BELOW, _ABOVE = (", ".join(str(channel) for channel in hue) for hue in GLASS)
_SCALE = [
    [0.0, f"rgba({_BELOW}, 1)"],
    [0.5, f"rgba({_BELOW}, 0)"],
    [0.5, f"rgba({_ABOVE}, 0)"],
    [1.0, f"rgba({_ABOVE}, 1)"],
]


def similarity_map(similarity: np.ndarray, labels: Sequence[int] = ()) -> go.Figure:
    """A heat map of similarities. Filters are sorted by cluster and thin lines separate the
    clusters; a block of one color is a set of filters with similar directions.

    Args:
        similarity: Similarities [units, units], -1..1.
        labels: Cluster of each unit; without, filters keep their order.
    """
    units = len(similarity)
    if units == 0:
        return theme.empty("The group has no filters.")
    marks = np.asarray(labels if len(labels) else np.zeros(units, int))
    order = np.argsort(marks, kind="stable")
    names = [str(unit) for unit in order]
    figure = theme.chart(x="filter, by cluster", y="filter, by cluster", height=420)
    figure.add_heatmap(
        z=np.round(similarity[np.ix_(order, order)], 3),
        zmin=-1,
        zmax=1,
        colorscale=_SCALE,
        colorbar={"title": "similarity", "thickness": 10},
        customdata=[[[a, b] for b in names] for a in names] if units <= 256 else None,
        hovertemplate="filters %{customdata[0]} and %{customdata[1]}<br>%{z}<extra></extra>"
        if units <= 256
        else "%{z}<extra></extra>",
    )
    for edge in np.flatnonzero(np.diff(marks[order])) + 0.5:
        figure.add_shape(type="line", x0=edge, x1=edge, y0=-0.5, y1=units - 0.5,
                         line={"color": theme.GREY, "width": 1})  # fmt: skip
        figure.add_shape(type="line", y0=edge, y1=edge, x0=-0.5, x1=units - 0.5,
                         line={"color": theme.GREY, "width": 1})  # fmt: skip
    step = max(1, units // 16)
    ticks = list(range(0, units, step))
    axis = {"tickvals": ticks, "ticktext": [names[t] for t in ticks], "showgrid": False}
    figure.update_xaxes(**axis, constrain="domain")
    figure.update_yaxes(**axis, autorange="reversed", scaleanchor="x", constrain="domain")
    return figure
