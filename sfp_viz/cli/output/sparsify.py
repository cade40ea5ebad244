"""How the command line shows a sparse training: its epochs and its outcome."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfp_viz.core.training.history import Refresh
from sfp_viz.core.training.sparsification import METHOD_NAMES
from sfp_viz.errors import SfpError
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import (
    Outcome,
    read_outcome,
    read_refreshes,
    read_sparsify_request,
)
from sfp_viz.text.numbers import change, count, milliseconds, percent, size

HEAD = "epoch      loss    test  filters  stripes       MACs  phase"
SKIPPING = (
    "Skipping stripes is usually slower on a CPU, in spite of fewer counted MACs. Both times are "
    "measured at the end."
)


def epoch_lines(path: Path, after: int = 0) -> list[str]:
    """A line of text for each epoch of the sparse training.

    Args:
        path: The folder of the run.
        after: Leave out so many epochs at the start.
    """
    epochs = [line for line in read_refreshes(path) if line.test_accuracy is not None]
    return [_line(line) for line in epochs[after:]]


def _line(line: Refresh) -> str:
    live = _mean(line.live)
    stripes = percent(_mean(line.stripes), 0) if line.stripes else ""
    return (
        f"{f'{line.epoch}/{line.epochs}':<8} {line.loss:>6.3f} "
        f"{percent(line.test_accuracy or 0.0):>7}  {percent(live, 0):>7}  {stripes:>7} "
        f"{count(line.macs):>10}  {line.phase}"
    )


def _mean(shares: tuple[tuple[str, float], ...]) -> float:
    """The mean share of the layers."""
    return sum(share for _, share in shares) / len(shares) if shares else 1.0


def sparse_facts(run: Run) -> list[tuple[str, Any]]:
    """The part of a run's card that other trainings have not."""
    try:
        settings = read_sparsify_request(run.path).settings
    except SfpError:
        return []
    lines: list[tuple[str, Any]] = [("method", METHOD_NAMES[settings.method])]
    if outcome := read_outcome(run.path):
        lines += _costs(outcome)
    return lines


def _costs(outcome: Outcome) -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = [
        ("MACs", f"{_pair(outcome.macs)}  (computed{_stripes(outcome)})"),
        ("params", f"{_pair(outcome.params)}  (computed{_stripes(outcome)})"),
        (
            "peak activations",
            f"{size(outcome.activation_bytes[0])} -> {size(outcome.activation_bytes[1])}  "
            "(of one layer, one image, float32; computed)",
        ),
    ]
    if not (times := outcome.timed):
        return lines
    where = f"(median of {times.repeats}, batch {times.batch}, {times.threads} threads; measured)"
    skipping, smaller = (
        sum(choice.kind == kind for choice in outcome.choices) for kind in ("stripes", "smaller")
    )
    smaller_text = f" and {smaller} use a smaller kernel" if smaller else ""
    return [
        *lines,
        ("dead stripes as zeros", f"{count(outcome.dense_macs)} MACs (computed), "
         f"{milliseconds(times.dense)} {where}"),
        ("all skipped", f"{count(outcome.macs[1])} MACs (computed), "
         f"{milliseconds(times.skipping)} {where}"),
        ("kept", f"{skipping} of {len(outcome.choices)} layers skip dead stripes{smaller_text}, "
         f"the fastest measured here: {milliseconds(times.mixed)} {where}"),
    ]  # fmt: skip


def _pair(numbers: tuple[int, int]) -> str:
    return f"{count(numbers[0])} -> {count(numbers[1])}, {change(*numbers)}"


def _stripes(outcome: Outcome) -> str:
    return "; dead stripes left out" if outcome.choices else ""


def sparse_training_to_dict(run: Run, *, history: bool = False) -> dict[str, Any] | None:
    """A sparse training as JSON; None for any other run. MACs, params and bytes are computed, times
    measured.

    Args:
        run: The run.
        history: Whether all lines of its history are included.
    """
    try:
        request = read_sparsify_request(run.path)
    except SfpError:
        return None
    lines, outcome = read_refreshes(run.path), read_outcome(run.path)
    value = {
        "settings": asdict(request.settings),
        "fine_tuned": request.tuned,
        "last": asdict(lines[-1]) if lines else None,
        "outcome": asdict(outcome) if outcome else None,
    }
    return value | ({"history": [asdict(line) for line in lines]} if history else {})
