"""Kernel Dispersion of each group by depth, with the share of filters kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sfp_viz.core.network import Network
from sfp_viz.figures import theme

if TYPE_CHECKING:
    import plotly.graph_objects as go


def dispersion_bars(
    network: Network,
    dispersions: Mapping[str, float],
    kept: Mapping[str, int] | None = None,
    chosen: str | None = None,
) -> go.Figure:
    """Bars of Kernel Dispersion (0: all filters alike, 1: as spread as random filters), by depth.

    Args:
        network: The network.
        dispersions: Kernel Dispersion by group name; groups without one are left out.
        kept: Units that each group keeps, to be marked.
        chosen: The group in the accent color; the others are grey.
    """
    groups = [g for g in network.groups if g.name in dispersions]
    if not groups:
        return theme.empty("No group of filters can be pruned, so there is no dispersion to show.")
    figure = theme.chart(y="Kernel Dispersion, 0 to 1", height=260)
    names = [g.name for g in groups]
    accent = [g for g in groups if g.name == chosen]
    others = [g for g in groups if g.name != chosen]
    for shown, color in ((accent, None), (others, theme.GREY)):
        figure.add_bar(
            x=[g.name for g in shown],
            y=[dispersions[g.name] for g in shown],
            width=min(0.75, 0.1 * len(names)),  # so that with two layers no bar fills half the page
            name="Kernel Dispersion" if color else f"chosen: {chosen}",
            marker={"color": color} if color else None,
            showlegend=bool(shown) and (color is not None or chosen is not None),
            hovertemplate="%{x}<br>dispersion %{y:.3f}<extra></extra>",
        )
    if kept is not None:
        figure.add_scatter(
            x=names,
            y=[kept.get(g.name, g.size) / g.size for g in groups],
            customdata=[[kept.get(g.name, g.size), g.size] for g in groups],
            mode="markers",
            name="share of filters kept",
            marker={
                "symbol": "line-ew",
                "size": 18,
                "line": {"width": 2, "color": theme.PALETTE[1]},
            },
            hovertemplate="%{x}<br>keeps %{customdata[0]} of %{customdata[1]}<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0.25)
    figure.update_xaxes(categoryorder="array", categoryarray=names, showgrid=False)
    figure.update_yaxes(range=[0, 1.05])
    return figure
