"""How the command line follows and shows a sweep: its runs, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.output.text import fact_list, run_head_to_dict, table, time_text
from sfp_viz.core.plan.sweep import sweep_to_dict
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.sweeps import (
    Cell,
    Child,
    Spread,
    read_sweep,
    sweep_children,
    sweep_summary,
)
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import count, percent


def follow_sweep(path: Path, *, interrupt_cancels: bool = True) -> Run:
    """Say on stderr which runs a sweep has created, until all are; returns the sweep as it is then.

    Args:
        path: The folder of the sweep.
        interrupt_cancels: Whether Ctrl-C cancels the rest; else it goes on without being watched.
    """
    run, shown = read_run(path), -1
    try:
        for run in process.watch(path, every=0.2):
            if run.done != shown and run.total:
                click.echo(f"created {run.done} of {run.total}", err=True)
                shown = run.done
    except KeyboardInterrupt:
        if not interrupt_cancels:
            return read_run(path)
        click.echo("\nCancelling ...", err=True)
        run = process.cancel(path)
    return run


def sweep_run_to_dict(run: Run) -> dict[str, Any]:
    """A sweep as JSON: what was asked for, its runs, and means over seeds."""
    sweep, locks = read_sweep(run.path)
    children = sweep_children(run)
    return {
        **run_head_to_dict(run),
        "asked": {**sweep_to_dict(sweep), "locks": list(locks)},
        "settings": asdict(run.settings),
        "laid_out": run.done,
        "of": len(sweep),
        "children": [
            {
                "run": child.run.id if child.run else None,
                "state": child.run.state if child.run else None,
                "target": child.member.target,
                "recipe": child.member.name,
                "seed": child.member.seed,
                "problem": child.problem,
            }
            for child in children
        ],
        "summary": [asdict(cell) for cell in sweep_summary(children)],
    }


def sweep_card(run: Run) -> str:
    """A sweep in words: a line for each target and recipe, means over its seeds."""
    sweep, _ = read_sweep(run.path)
    children = sweep_children(run)
    cells = sweep_summary(children)
    lines = [
        ("run", f"{run.id} (sweep)"),
        ("state", _state(run, children)),
        ("", run.message),
        ("started", time_text(run.created)),
        ("network", f"{run.name} ({run.facts.get('digest', '')})"),
        ("created", f"{run.done} of {len(sweep)}"),
        ("finished", f"{sum(cell.done for cell in cells)} of {len(sweep)}"),
    ]
    heads = ("target", "recipe", "MACs (counted)", "one-shot", "fine-tuned", "finished")
    text = f"{fact_list(lines)}\n\n{table(heads, [_row(cell) for cell in cells])}"
    problems = [f"{percent(c.target, 0)} {c.recipe}: {c.problem}" for c in cells if c.problem]
    note = "Accuracies are measured on test images; ± is the standard deviation over seeds."
    return "\n".join([text, "", note, *problems])


def _state(run: Run, children: Sequence[Child]) -> str:
    """How the sweep itself is; it is finished when all is laid out, its trainings later."""
    training = sum(child.run is not None and not child.run.over for child in children)
    if run.state == "finished" and training:
        return f"all runs created, {training} still to train"
    return f"{run.state}{f', {run.phase}' if run.phase else ''}"


def _row(cell: Cell) -> tuple[Any, ...]:
    macs = count(cell.macs) if cell.macs is not None else ""
    done = f"{cell.done} of {cell.of}"
    if cell.stopped:
        done += f", {cell.stopped} stopped"
    return (percent(cell.target, 0), cell.recipe, macs, _spread(cell.one_shot),
            _spread(cell.accuracy), done)  # fmt: skip


def _spread(value: Spread | None) -> str:
    if value is None:
        return ""
    if value.deviation is None:
        return percent(value.mean)
    return f"{percent(value.mean)} ± {100 * value.deviation:.1f}"


def print_hint(run: Run) -> None:
    """Say where a person finds out more; not among what a machine reads."""
    click.echo(
        "\nIts runs continue in the queue: sfp-viz runs queue. Their results: sfp-viz runs show "
        f"{run.id}",
        err=True,
    )
