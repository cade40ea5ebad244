"""Finished runs as a table with every field, its unit and whether it was counted or measured."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sfp_viz.runs.results.latencies import RunLatency
from sfp_viz.runs.results.points import best_epoch_text, epochs_around_cut, kind_of
from sfp_viz.runs.results.summary import Summary

Row = tuple[Any, ...]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)


_COLUMNS: Mapping[str, Callable[[Summary], Any]] = {
    "run": lambda run: run.id,
    "cut by": lambda run: {"run": "plan"}.get(kind_of(run), kind_of(run)),
    "recipe": lambda run: run.recipe,
    "accuracy last epoch, % (measured)": lambda run: _percent(run.accuracy),
    "95 % interval from, % (of the test images)": lambda run: _percent(run.interval[0]),
    "95 % interval to, % (of the test images)": lambda run: _percent(run.interval[1]),
    "accuracy best epoch, % (measured, chosen on the test images)": lambda run: (
        _percent(run.best) if best_epoch_text(run) else None
    ),
    "best epoch": lambda run: run.best_epoch if best_epoch_text(run) else None,
    "epochs after the cut": lambda run: epochs_around_cut(run)[1],
    "epochs before the cut": lambda run: epochs_around_cut(run)[0],
    "accuracy one-shot, % (measured)": lambda run: _percent(run.one_shot),
    "accuracy unpruned, % (measured)": lambda run: _percent(run.whole_accuracy),
    "MACs of one image (counted)": lambda run: run.macs,
    "MACs before (computed)": lambda run: run.facts.get("macs_before"),
    "params (counted)": lambda run: run.params,
    "params before (computed)": lambda run: run.facts.get("params_before"),
    "images": lambda run: run.data,
    "test images": lambda run: run.images,
    "kind of run": lambda run: run.kind,
    "network": lambda run: run.facts.get("model") or run.name,
    "weights (digest)": lambda run: run.digest,
    "plan (hash)": lambda run: run.plan,
    "target, % of the goal (asked)": lambda run: _percent(_real(run.facts.get("target_reduction"))),
    "epochs": lambda run: run.epochs,
    "training, s (measured)": lambda run: round(run.seconds, 2),
    "started": lambda run: datetime.fromtimestamp(run.created).isoformat(timespec="seconds"),
}


def table(
    runs: Sequence[Summary],
    *,
    standings: Mapping[str, str] | None = None,
    timed: Mapping[str, RunLatency] | None = None,
) -> tuple[tuple[str, ...], list[Row]]:
    """The heads of a table, and a row for each run, with its settings and machine.

    Args:
        runs: Finished runs.
        standings: How each run stands to the Pareto front, by its id.
        timed: Latencies by run id, all under one condition, which is part of the head.
    """
    settings = _names(runs, "settings")
    machine = _names(runs, "machine")
    heads = [*_COLUMNS]
    heads += ["front of accuracy against cost"] if standings is not None else []
    heads += _latency_heads(timed) if timed else []
    heads += [*(f"setting {name}" for name in settings), *(f"machine {name}" for name in machine)]
    rows = []
    for run in runs:
        row = [read(run) for read in _COLUMNS.values()]
        row += [standings.get(run.id)] if standings is not None else []
        row += _latency(timed.get(run.id)) if timed else []
        row += [run.settings.get(name) for name in settings]
        row += [run.machine.get(name) for name in machine]
        rows.append(tuple(row))
    return tuple(heads), rows


def csv_text(heads: Sequence[str], rows: Sequence[Row]) -> str:
    """A table as CSV. Words that a spreadsheet would take for a formula are quoted.

    Args:
        heads: The names of the columns.
        rows: A cell for each column.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(head) for head in heads])
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and re.match(r"[=+\-@\t\r]", value):
        return "'" + value
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return "" if value is None else value


def _names(runs: Sequence[Summary], mapping: str) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in getattr(run, mapping)))


def _latency_heads(timed: Mapping[str, RunLatency]) -> list[str]:
    where = next((str(latency.condition) for latency in timed.values()), "")
    return [f"latency, ms (measured, median; {where})", "latency quartiles, ms (measured)"]


def _latency(latency: RunLatency | None) -> list[Any]:
    if latency is None:
        return [None, None]
    return [round(latency.ms, 5), f"{latency.iqr[0]:.5g} to {latency.iqr[1]:.5g}"]


def _real(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
