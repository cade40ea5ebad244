"""Curves of a training, redrawn in place each second. JavaScript and CSS stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfp_viz.core.training import Epoch
from sfp_viz.ui.components.load import load

_lines = load("live_lines")


def live_lines(
    epochs: Sequence[Epoch], *, key: str, total: int, start: float | None = None
) -> None:
    """Accuracy in %, loss and temperature over ``total`` epochs.

    ``start`` is the accuracy 0..1 before the first epoch, drawn at epoch 0.
    """
    _lines(key=key, data=lines_data(epochs, total=total, start=start))


def lines_data(
    epochs: Sequence[Epoch], *, total: int, start: float | None = None
) -> dict[str, Any]:
    """What is drawn: epochs, and three panels with their lines; None where there is no value."""
    none = [] if start is None else [None]
    accuracy = [] if start is None else [round(100 * start, 3)]

    def line(name: str, values: list, aside: bool = False) -> dict[str, Any]:
        return {"name": name, "values": values, "aside": aside}

    test = accuracy + [round(100 * e.test_accuracy, 3) for e in epochs]
    train = none + [round(100 * e.train_accuracy, 3) for e in epochs]
    return {
        "x": ([] if start is None else [0]) + [e.epoch for e in epochs],
        "last": max(total, len(epochs), 1),
        "panels": [
            {"title": "Accuracy", "unit": "%", "digits": 1, "zero": False,
             "series": [line("test", test), line("training", train, True)]},
            {"title": "Loss", "unit": "", "digits": 4, "zero": True,
             "series": [line("loss", none + [round(e.loss, 5) for e in epochs])]},
            {"title": "Temperature", "unit": "", "digits": 2, "zero": True,
             "series": [line("T", none + [round(e.temperature, 4) for e in epochs], True)]},
        ],
        "alt": _in_words(epochs, total),
    }  # fmt: skip


def _in_words(epochs: Sequence[Epoch], total: int) -> str:
    if not epochs:
        return "No epoch has ended yet."
    last = epochs[-1]
    return (
        f"After epoch {last.epoch} of {total}: test accuracy {100 * last.test_accuracy:.1f} %, "
        f"loss {last.loss:.3f}, temperature {last.temperature:.2f}."
    )
