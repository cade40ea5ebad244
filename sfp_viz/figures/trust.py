"""Predicted against measured: whether plans with less predicted damage are more accurate."""

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
    "suggestion": "suggested plan",
    "uniform": "uniform",
    "dispersion": "by Kernel Dispersion",
    "functional": "by functional redundancy",
    "sensitivity": "by sensitivity",
    "mild": "plans near the suggested one",
    "wild": "plans further away",
}


def predicted_against_measured(trust: Trust, predictor: str = "dispersion") -> go.Figure:
    """Plans of equal cost: predicted damage on the x axis, measured one-shot accuracy on the y
    axis.

    If the prediction is right, points fall from left to right. The suggested plan is a filled mark
    in the accent color, plans of other allocations have the marks of the bars, sampled plans are
    grey; whiskers are 95 % intervals.

    Args:
        trust: The measured plans.
        predictor: 'dispersion', 'functional' or 'sensitivity'.
    """
    shown = [d for d in trust.draws if d.right is not None and predictor in dict(d.predicted)]
    if not shown:
        return theme.empty("No plan has been measured yet.", height=360)
    correlation = agreement(trust, predictor)
    figure = theme.chart(x=_AXES[predictor], y="one-shot accuracy, % (measured)", height=360)
    if correlation is not None:
        low, high = correlation.interval
        figure.add_annotation(
            text=f"rank correlation {signed(correlation.correlation)} "
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
        draws = [d for d in shown if d.kind == kind]
        if draws:
            _add(figure, draws, trust, predictor, kind=kind, symbol=symbol, color=color, size=size)
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
        f"<br>%{{customdata[3]}} {_GOALS[trust.recipe.goal]}<extra></extra>",
    )


_GOALS = {"macs": "MACs", "params": "params", "memory": "bytes at the peak", "latency": "ms"}
