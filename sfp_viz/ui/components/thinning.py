"""A network that thins out while it trains, redrawn in place; JavaScript and CSS beside it."""

from __future__ import annotations

from typing import Any

from sfp_viz.figures.sparsity import Band, Story
from sfp_viz.text.numbers import percent
from sfp_viz.ui.components.load import load
from sfp_viz.ui.names import short_names

_mount = load("thinning", "svg", "thinning_network")
_POINT = "Point at a moment to see the network as it was then, at a layer for its own lines."
_FEW = 6  # lines of a chart that need no bold one in their middle
_MIDDLE = "Bold: the middle layer of all; thin: each layer."
_GATES = "Gates of the middle layer: their median, their middle half and all of them."
_DECIDED = "Decided: what goes from then on is settled; the rest trains on."


def thinning(told: Story, *, key: str, going: bool = False, still: bool = False) -> None:
    """The layers as they stand, each layer's way over the epochs, and small charts below.

    Pointing and the arrow keys stay in the browser. ``going``: the last moment is now, not the
    end. ``still``: no clock runs, so the page is drawn anew when its tab comes back into view.
    """
    data = {**thinning_data(told), "going": going, "still": still}
    _mount(key=key, data=data, on_look_change=_again)


def _again() -> None:
    """Nothing to do but to draw anew, which follows by itself."""


def thinning_data(told: Story) -> dict[str, Any]:
    """What is drawn, as plain values."""
    short = short_names([band.layer for band in told.bands])
    return {
        "epochs": [round(at, 4) for at in told.epochs],
        "total": told.total,
        "bands": [_band(band, ".".join(filter(None, short[band.layer]))) for band in told.bands],
        "macs": list(told.macs),
        "whole": told.whole,
        "target": told.target,
        "loss": [None if x is None else float(f"{x:.4g}") for x in told.loss],
        "accuracy": [[round(at, 4), round(100 * value, 2)] for at, value in told.accuracy],
        "marks": [[round(at, 4), word] for at, word in told.marks],
        "hint": _hint(told),
        "alt": in_words(told),
    }


def _hint(told: Story) -> str:
    words = [_POINT]
    if len({band.residual for band in told.bands if band.residual}) > _FEW:
        words.append(_MIDDLE)
    if any(band.gates for band in told.bands):
        words.append(_GATES)
    if any(word == "decided" for _, word in told.marks):
        words.append(_DECIDED)
    return " ".join(words)


def in_words(told: Story) -> str:
    """The last moment in a sentence, for those who do not see it."""
    if len(told.epochs) < 2:
        return "Nothing has been trained yet."
    stay = sum(band.live[-1] for band in told.bands)
    whole = sum(band.filters for band in told.bands)
    text = (
        f"Epoch {told.epochs[-1]:.1f} of {told.total}: {stay:,} of {whole:,} filters stay, "
        f"{percent(told.macs[-1] / max(1, told.whole), 0)} of the MACs"
    )
    thinnest = min(
        (band for band in told.bands if band.thins),
        key=lambda band: band.live[-1] / band.filters, default=None,
    )  # fmt: skip
    if thinnest and thinnest.live[-1] < thinnest.filters:
        text += (
            f"; the most went from {thinnest.layer}, {thinnest.live[-1]:,} of {thinnest.filters:,} "
            "are left"
        )
    return text + "."


def _band(band: Band, short: str) -> dict[str, Any]:
    return {
        "name": band.layer, "short": short, "filters": band.filters, "thins": band.thins,
        "live": list(band.live),
        "stripes": [round(x, 4) for x in band.stripes] or None,
        "gates": [None if g is None else [round(x, 3) for x in g] for g in band.gates] or None,
        "residual": [None if x is None else round(x, 4) for x in band.residual] or None,
    }  # fmt: skip
