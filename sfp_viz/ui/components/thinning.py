"""A network that becomes sparse while it trains, redrawn in place. Its JavaScript and CSS are
beside this file."""

from __future__ import annotations

from typing import Any

from sfp_viz.figures.sparsity import FIXED, LayerHistory, SparsityHistory
from sfp_viz.text.numbers import percent
from sfp_viz.ui.components.load import load
from sfp_viz.ui.names import short_names

_mount = load("thinning", "svg", "thinning_network")
_POINT = (
    "Hover over an epoch to see the network at that time, or over a layer to see only its curves."
)
_FEW = 6  # lines of a chart without a bold median
_MEDIAN = "Bold: median of the layers; thin: each layer."
_GATES = "Gates: median, interquartile range and full range of the median layer."
_FIXED = "Fixed: from this point the pruned filters remain 0 and the others are trained further."


def thinning(
    history: SparsityHistory, *, key: str, active: bool = False, still: bool = False
) -> None:
    """Draw the current layers, each layer over the epochs, and small charts below. Hovering and the
    arrow keys are handled in the browser.

    Args:
        history: The sparse training.
        key: Key of the component.
        active: Whether the training is under way, so that its last entry is not its end.
        still: Whether no clock runs: then the page refreshes when its tab comes back into view.
    """
    data = {**thinning_data(history), "active": active, "still": still}
    _mount(key=key, data=data, on_look_change=_refresh)


def _refresh() -> None:
    """The page is redrawn after the callback; there is nothing else to do."""


def thinning_data(history: SparsityHistory) -> dict[str, Any]:
    """What is drawn, as JSON values."""
    short = short_names([layer.layer for layer in history.layers])
    return {
        "epochs": [round(at, 4) for at in history.epochs],
        "total": history.total,
        "layers": [
            _layer(layer, ".".join(filter(None, short[layer.layer]))) for layer in history.layers
        ],
        "macs": list(history.macs),
        "whole": history.whole,
        "target": history.target,
        "loss": [None if x is None else float(f"{x:.4g}") for x in history.loss],
        "accuracy": [[round(at, 4), round(100 * value, 2)] for at, value in history.accuracy],
        "marks": [[round(at, 4), word] for at, word in history.marks],
        "hint": _hint(history),
        "alt": description(history),
    }


def _hint(history: SparsityHistory) -> str:
    words = [_POINT]
    if len({layer.residual for layer in history.layers if layer.residual}) > _FEW:
        words.append(_MEDIAN)
    if any(layer.gates for layer in history.layers):
        words.append(_GATES)
    if any(word == FIXED for _, word in history.marks):
        words.append(_FIXED)
    return " ".join(words)


def description(history: SparsityHistory) -> str:
    """The last entry in a sentence, for screen readers."""
    if len(history.epochs) < 2:
        return "Nothing has been trained yet."
    kept = sum(layer.live[-1] for layer in history.layers)
    filters = sum(layer.filters for layer in history.layers)
    text = (
        f"Epoch {history.epochs[-1]:.1f} of {history.total}: {kept:,} of {filters:,} filters and "
        f"{percent(history.macs[-1] / max(1, history.whole), 0)} of the MACs kept"
    )
    thinnest = min(
        (layer for layer in history.layers if layer.prunable),
        key=lambda layer: layer.live[-1] / layer.filters, default=None,
    )  # fmt: skip
    if thinnest and thinnest.live[-1] < thinnest.filters:
        text += (
            f"; smallest share in {thinnest.layer}: {thinnest.live[-1]:,} of {thinnest.filters:,}"
        )
    return text + "."


def _layer(layer: LayerHistory, short: str) -> dict[str, Any]:
    return {
        "name": layer.layer, "short": short, "filters": layer.filters,
        "prunable": layer.prunable, "live": list(layer.live),
        "stripes": [round(x, 4) for x in layer.stripes] or None,
        "gates": [None if g is None else [round(x, 3) for x in g] for g in layer.gates] or None,
        "residual": [None if x is None else round(x, 4) for x in layer.residual] or None,
    }  # fmt: skip
