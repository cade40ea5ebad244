"""Widths of every layer before and after, in the order of execution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sfp_viz.core.network import Network
from sfp_viz.figures import theme

if TYPE_CHECKING:
    import plotly.graph_objects as go


def layer_widths(network: Network, kept: Mapping[str, int]) -> go.Figure:
    """Filters of each layer: the outline before pruning, the filled bar after.

    Args:
        network: The network.
        kept: Units that each group keeps, by name; groups that are not named keep all.
    """
    if not network.layers:
        return theme.empty("The network has no layer with filters.")
    names = [layer.name for layer in network.layers]
    before = [layer.filters for layer in network.layers]
    after = [kept_filters(network, layer.name, kept) for layer in network.layers]
    figure = theme.chart(y="filters", height=280)
    width = min(0.8, 0.1 * len(names))  # so that with two layers no bar fills half the page
    figure.add_bar(
        x=names,
        y=after,
        name="after",
        width=width,
        customdata=before,
        hovertemplate="%{x}<br>%{y} of %{customdata} filters<extra></extra>",
    )
    figure.add_bar(
        x=names,
        y=before,
        name="before",
        width=width,
        marker={"color": "rgba(0, 0, 0, 0)", "line": {"color": theme.GREY, "width": 1}},
        hoverinfo="skip",
    )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(categoryorder="array", categoryarray=names, showgrid=False)
    return figure


def kept_filters(network: Network, layer: str, kept: Mapping[str, int]) -> int:
    """Number of filters that ``layer`` keeps when groups keep ``kept`` units.

    Args:
        network: The network.
        layer: Name of one of its layers.
        kept: Units that each group keeps, by name; groups that are not named keep all.
    """
    group = network.group_of(layer)
    whole = network.layer(layer).filters
    if group is None or not group.size:
        return whole
    return whole * kept.get(group.name, group.size) // group.size
