"""Curves of trainings, redrawn in place each second; its JavaScript and CSS are beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sfp_viz.core.training.history import Epoch
from sfp_viz.ui.components.load import load

_lines = load("live_lines", "svg", "live_reading")
_MOST = 600  # points of a curve; of a longer history every n-th epoch is drawn, and the last


@dataclass(frozen=True)
class Curve:
    """One training on the charts.

    Attributes:
        name: Its name in the legend.
        epochs: The finished epochs.
        total: The planned number of epochs.
        slot: Selects color and dashes; 0 is the accent.
        start: Accuracy 0..1 before the first epoch, drawn at epoch 0.
        main: Whether it is the watched run.
        before: Number of epochs in earlier stages with more filters; none of them counts as the
            best.
    """

    name: str
    epochs: tuple[Epoch, ...]
    total: int
    slot: int = 0
    start: float | None = None
    main: bool = True
    before: int = 0

    @property
    def best(self) -> Epoch | None:
        """The best epoch of the last stage."""
        return best_epoch(self.epochs[self.before :])


@dataclass(frozen=True)
class Reference:
    """A horizontal line on the chart of accuracy.

    Attributes:
        name: Its label.
        value: Accuracy 0..1.
        start: Whether the curves start there; then it may be outside the scale.
    """

    name: str
    value: float
    start: bool = False


@dataclass(frozen=True)
class _Panel:
    title: str
    unit: str
    digits: int | None  # None: three significant ones
    series: tuple[tuple[str, Callable[[Epoch], float]], ...]
    zero: bool = True  # whether the scale starts at 0
    tall: bool = False


_PANELS = (
    _Panel(
        "Accuracy", "%", 1,
        (("Test", lambda e: 100 * e.test_accuracy), ("Training", lambda e: 100 * e.train_accuracy)),
        zero=False, tall=True,
    ),
    _Panel("Loss", "", 4, (("Loss", lambda e: e.loss),), tall=True),
    _Panel("Temperature", "", 2, (("Temperature", lambda e: e.temperature),)),
    _Panel("Learning rate", "", None, (("Learning rate", lambda e: e.learning_rate),)),
    _Panel("Speed", "images/s", 0, (("Speed", lambda e: e.images_per_second),)),
)  # fmt: skip
_HEADS = {"Test": "Test, %", "Training": "Training, %", "Speed": "Images/s", "Memory": "Memory, MB"}
_MEMORY = _Panel("Training memory", "MB", 0, (("Memory", lambda e: _memory(e) / 1e6),))


def live_lines(
    curves: Sequence[Curve],
    *,
    key: str,
    references: Sequence[Reference] = (),
    stages: Sequence[tuple[float, str]] = (),
    still: bool = False,
) -> None:
    """Draw small charts with one scale of epochs: accuracy, loss, temperature, learning rate,
    speed, and memory where it was measured. Hovering, zooming and the arrow keys are handled in the
    browser.

    Args:
        curves: The trainings, the watched one first.
        key: Key of the component.
        references: Horizontal lines on the chart of accuracy.
        stages: (epoch, name) of vertical lines.
        still: Whether no clock runs: then the page refreshes when its tab comes back into view.
    """
    data = lines_data(curves, references=references, stages=stages)
    _lines(key=key, data={**data, "still": still}, on_look_change=_refresh)


def _refresh() -> None:
    """The page is redrawn after the callback; there is nothing else to do."""


def lines_data(
    curves: Sequence[Curve],
    *,
    references: Sequence[Reference] = (),
    stages: Sequence[tuple[float, str]] = (),
) -> dict[str, Any]:
    """What ``live_lines`` draws, as JSON values; values are None at epochs without one.

    Args:
        curves: The trainings, the watched one first.
        references: Horizontal lines on the chart of accuracy.
        stages: (epoch, name) of vertical lines.
    """
    shown = [_sampled(curve) for curve in curves]
    measured = any(_memory(epoch) for epochs in shown for epoch in epochs)
    last = max([1, *(max(c.total, len(c.epochs)) for c in curves)])
    has_start = any(c.start is not None for c in curves)
    return {
        "first": 0 if has_start or last == 1 else 1,
        "last": last,
        "runs": [_run(curve, epochs) for curve, epochs in zip(curves, shown, strict=True)],
        "panels": [
            _panel(panel, curves, shown, references if panel.title == "Accuracy" else ())
            for panel in (*_PANELS, *([_MEMORY] if measured else []))
        ],
        "stages": [[round(at, 3), name] for at, name in stages],
        "marks": _MARKS if any(shown) else "",
        "alt": "; ".join(_description(curve, many=len(curves) > 1) for curve in curves),
    }


_MARKS = (
    "Hover to read an epoch, drag to zoom. Thin line: training. Ring: best epoch by test accuracy. "
    "Dot: last epoch (saved)."
)


def best_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch with the highest test accuracy, the first of several; None for no epochs."""
    return max(epochs, key=lambda epoch: (epoch.test_accuracy, -epoch.epoch), default=None)


def _run(curve: Curve, epochs: Sequence[Epoch]) -> dict[str, Any]:
    best = curve.best
    return {
        "name": curve.name,
        "slot": curve.slot,
        "main": curve.main,
        "epochs": curve.total,
        "x": ([] if curve.start is None else [0]) + [epoch.epoch for epoch in epochs],
        "best": [best.epoch, round(100 * best.test_accuracy, 3)] if best else None,
    }


def _panel(
    panel: _Panel,
    curves: Sequence[Curve],
    shown: Sequence[Sequence[Epoch]],
    references: Sequence[Reference],
) -> dict[str, Any]:
    series = []
    for run, (curve, epochs) in enumerate(zip(curves, shown, strict=True)):
        for place, (name, value) in enumerate(panel.series):
            test = panel.title == "Accuracy" and place == 0
            start = round(100 * curve.start, 3) if test and curve.start is not None else None
            before = [] if curve.start is None else [start]
            values = before + [float(f"{value(epoch):.6g}") for epoch in epochs]
            line = {"run": run, "name": name, "head": _HEADS.get(name, name), "aside": place > 0}
            series.append({**line, "values": values})
    refs = [{"name": r.name, "value": 100 * r.value, "start": r.start} for r in references]
    return {
        "title": panel.title, "unit": panel.unit, "digits": panel.digits, "zero": panel.zero,
        "tall": panel.tall, "best": panel.title == "Accuracy", "refs": refs, "series": series,
    }  # fmt: skip


def _sampled(curve: Curve) -> tuple[Epoch, ...]:
    """At most about ``_MOST`` of the epochs: every n-th, the best and the last."""
    epochs, best = curve.epochs, curve.best
    step = -(-len(epochs) // _MOST)
    if step <= 1:
        return tuple(epochs)
    return tuple(e for e in epochs if (len(epochs) - e.epoch) % step == 0 or e is best)


def _memory(epoch: Epoch) -> int:
    """Measured peak bytes; 0 where it was not measured."""
    return int(getattr(epoch, "memory", 0) or 0)


def _description(curve: Curve, *, many: bool) -> str:
    name = f"{curve.name}: " if many else ""
    if not curve.epochs:
        return f"{name}No epoch is finished yet."
    last, best = curve.epochs[-1], curve.best
    text = (
        f"{name}After epoch {last.epoch} of {curve.total}: test accuracy "
        f"{100 * last.test_accuracy:.1f} %, loss {last.loss:.3f}, temperature "
        f"{last.temperature:.2f}"
    )
    if best and best is not last:
        text += f"; best test accuracy {100 * best.test_accuracy:.1f} % after epoch {best.epoch}"
    return text + "."
