"""A static map of filters: similar ones are near each other. The page Explore has a live one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sfp_viz.figures import theme

if TYPE_CHECKING:
    import plotly.graph_objects as go


def filter_map(
    coordinates: np.ndarray,
    labels: Sequence[int] = (),
    *,
    removed: Collection[int] = (),
) -> go.Figure:
    """A map of filters with a color and shape for each cluster. Only neighborhoods are meaningful,
    not the distances between islands.

    Args:
        coordinates: Positions [units, 2].
        labels: Cluster of each unit, -1 for dead ones, which are grey.
        removed: Pruned units, drawn hollow.
    """
    if len(coordinates) == 0:
        return theme.empty("The group has no filters.")
    marks = np.asarray(labels if len(labels) else np.zeros(len(coordinates), int))
    figure = theme.chart(height=380)
    for label in sorted(set(marks.tolist()), key=lambda x: (x < 0, x)):
        units = np.flatnonzero(marks == label)
        color = theme.PALETTE[label % len(theme.PALETTE)] if label >= 0 else theme.GREY
        shape = theme.SYMBOLS[(label // len(theme.PALETTE)) % len(theme.SYMBOLS)]
        figure.add_scatter(
            x=coordinates[units, 0],
            y=coordinates[units, 1],
            mode="markers",
            name=f"cluster {label}" if label >= 0 else "dead",
            marker={
                "size": 9,
                "color": color,
                "symbol": [shape + ("-open" if u in removed else "") for u in units],
                "line": {"width": 1.5, "color": color},
            },
            customdata=units,
            hovertemplate="filter %{customdata}<extra></extra>",
        )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure
