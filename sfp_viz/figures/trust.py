"""Predicted against measured: does what a prediction calls better turn out better?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfp_viz.core.comparison.trust import Draw, Trust
from sfp_viz.core.comparison.verdict import agreement
from sfp_viz.core.measurement import wilson
from sfp_viz.figures import theme
from sfp_viz.text.numbers import count, percent, signed, span

if TYPE_CHECKING:
    import plotly.graph_objects as go

_AXES = {
    "dispersion": "predicted damage by Kernel Dispersion (computed)",
    "functional": "predicted damage by functional error (estimated from images)",
    "sensitivity": "predicted damage by sensitivity, log-odds (estimated)",
}
_NAMES = {
    "suggestion": "the suggestion",
    "uniform": "the same ratio everywhere",
    "dispersion": "by Kernel Dispersion",
    "functional": "by function",
    "sensitivity": "by sensitivity",
    "mild": "plans near the suggestion",
    "wild": "plans further away",
}


def predicted_against_measured(trust: Trust, predictor: str = "dispersion") -> go.Figure:
    """Plans of equal cost: damage by ``predictor`` across, measured one-shot accuracy up.

    Where the prediction is right, points fall from left to right. The suggestion is a filled
    mark in the accent, the plans of other allocations have the marks of the bars, drawn plans are
    grey; whiskers are 95 % intervals.
    """
    shown = [d for d in trust.draws if d.right is not None and predictor in dict(d.predicted)]
    if not shown:
        return theme.empty("No plan has been measured yet.", height=360)
    found = agreement(trust, predictor)
    figure = theme.chart(x=_AXES[predictor], y="one-shot accuracy, % (measured)", height=360)
    if found is not None:
        low, high = found.interval
        figure.add_annotation(
            text=f"rank correlation {signed(found.correlation)} "
            f"(95 %: {signed(low)} to {signed(high)})",
            x=1, y=1, xref="paper", yref="paper", xanchor="right", yanchor="top",
            showarrow=False,
        )  # fmt: skip
    for kind, symbol, color, size in (
        ("wild", "circle-open", theme.GREY, 8),
        ("mild", "circle", theme.GREY, 8),
        ("sensitivity", "triangle-up", theme.PALETTE[1], 11),
        ("functional", "square", theme.PALETTE[1], 10),
        ("dispersion", "diamond", theme.PALETTE[1], 11),
        ("uniform", "circle-open", theme.PALETTE[1], 12),
        ("suggestion", "circle", theme.PALETTE[0], 12),
    ):
        mine = [d for d in shown if d.kind == kind]
        if mine:
            _add(figure, mine, trust, predictor, kind=kind, symbol=symbol, color=color, size=size)
    return figure


def _add(
    figure: go.Figure,
    draws: list[Draw],
    trust: Trust,
    predictor: str,
    *,
    kind: str,
    symbol: str,
    color: str,
    size: int,
) -> None:
    shares = [(d.right or 0) / max(1, trust.images) for d in draws]
    spans = [wilson(d.right or 0, trust.images) for d in draws]
    figure.add_scatter(
        x=[dict(d.predicted)[predictor] for d in draws],
        y=[100 * share for share in shares],
        name=_NAMES[kind],
        mode="markers",
        marker={"symbol": symbol, "size": size, "color": color},
        error_y={
            "array": [100 * (high - s) for s, (_, high) in zip(shares, spans, strict=True)],
            "arrayminus": [100 * (s - low) for s, (low, _) in zip(shares, spans, strict=True)],
            "color": color,
            "thickness": 1,
            "width": 2,
        },
        customdata=[
            [_NAMES[kind], percent(s), span(i), count(d.cost)]
            for d, s, i in zip(draws, shares, spans, strict=True)
        ],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} (%{customdata[2]}, measured)"
        f"<br>%{{customdata[3]}} {_GOALS[trust.recipe.goal]} left<extra></extra>",
    )


_GOALS = {"macs": "MACs", "params": "params", "memory": "bytes at the peak", "latency": "ms"}
