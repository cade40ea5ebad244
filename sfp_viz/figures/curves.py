"""Accuracy, loss and temperature of a training over its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sfp_viz.core.training.history import Epoch
from sfp_viz.figures import theme

if TYPE_CHECKING:
    import plotly.graph_objects as go


def training_curves(epochs: Sequence[Epoch], *, start: float | None = None) -> go.Figure:
    """Three charts above each other over the epochs: accuracy in %, loss, temperature.

    Args:
        epochs: The epochs of the training, in order.
        start: One-shot accuracy 0..1 before the first epoch, drawn at epoch 0.
    """
    if not epochs:
        return theme.empty("No epoch is finished yet.", height=420)
    figure = theme.chart(height=460)
    at = [e.epoch for e in epochs]
    test = [100 * e.test_accuracy for e in epochs]
    before = [] if start is None else [(0, 100 * start)]
    lines = (
        ("test accuracy", [x for x, _ in before] + at, [y for _, y in before] + test, "y", None),
        ("training accuracy", at, [100 * e.train_accuracy for e in epochs], "y", theme.GREY),
        ("loss", at, [e.loss for e in epochs], "y2", None),
        ("temperature", at, [e.temperature for e in epochs], "y3", theme.GREY),
    )
    for name, x, y, axis, color in lines:
        figure.add_scatter(
            x=x, y=y, name=name, yaxis=axis, mode="lines+markers" if len(x) < 40 else "lines",
            line={"width": 2, **({"color": color} if color else {})}, marker={"size": 4},
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "epoch", "anchor": "y3", "rangemode": "tozero"},
        yaxis={"title": "accuracy, %", "domain": [0.56, 1.0]},
        yaxis2={"title": "loss", "domain": [0.24, 0.5], "rangemode": "tozero"},
        yaxis3={"title": "temperature", "domain": [0.0, 0.18], "rangemode": "tozero"},
        hovermode="x unified",
    )
    return figure
