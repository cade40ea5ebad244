"""Commands that start the app and show runs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.output import sparsify
from sfp_viz.cli.output.study import follow_study, study_card, study_run_to_dict
from sfp_viz.cli.output.sweep import follow_sweep, sweep_card, sweep_run_to_dict
from sfp_viz.cli.output.text import (
    fact_list,
    print_result,
    run_head_to_dict,
    table,
    time_text,
    with_json,
)
from sfp_viz.core.evidence.study import KINDS
from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs import queue
from sfp_viz.runs.folder import SWEEP, TRAININGS, find_run, home, read_run, read_runs
from sfp_viz.runs.launch import process
from sfp_viz.runs.storage.processes import ROOT
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import KIND as SPARSIFY
from sfp_viz.text.numbers import count, duration, percent, span


@click.command()
@click.option("--port", default=8501, show_default=True, help="Port of the app.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
def app(port: int, no_browser: bool) -> None:
    """Start the app, for this machine alone (127.0.0.1)."""
    page = ROOT / "app.py"
    if not page.is_file():
        raise RunError(f"There is no app at {page}. Start sfp-viz from its checkout.")
    words = [sys.executable, "-m", "streamlit", "run", str(page), "--server.address=127.0.0.1"]
    words += [f"--server.port={port}", "--browser.gatherUsageStats=false"]
    words += [f"--server.headless={'true' if no_browser else 'false'}"]
    os.environ["SFP_VIZ_HOME"] = str(home())  # we move to where the settings of streamlit lie
    if data := os.environ.get("SFP_VIZ_DATA"):
        os.environ["SFP_VIZ_DATA"] = str(Path(data).expanduser().absolute())
    os.chdir(ROOT)
    os.execv(sys.executable, words)


@click.group()
def runs() -> None:
    """Show and control runs: trainings and studies.

    A run has its own process and continues when the shell or the app is closed. RUN is the id of a
    run, the start of its id, or its folder. States: queued, waiting (its worker is starting),
    running, pausing, paused, cancelling, cancelled, failed (it says why), lost (its worker died),
    finished. 'runs resume' continues a run that is paused, cancelled, failed or lost.
    """
    with suppress(SfpError):
        queue.ensure_dispatcher(home())  # a queue whose dispatcher was killed gets another


@runs.command("list")
@click.option(
    "--kind", type=click.Choice([*TRAININGS, SWEEP, *KINDS]), help="Only runs of this kind."
)
@with_json
def list_command(kind: str | None, as_json: bool) -> None:
    """List all runs, the newest first."""
    readable, damaged = read_runs(home(), kind)
    heads = ("run", "kind", "state", "done", "data", "MACs (counted)", "one-shot",
             "test (measured)", "where")  # fmt: skip
    rows = [_row(run) for run in readable]
    rows += [(run.path.name, "", "damaged", "", "", "", "", "", "") for run in damaged]
    text = f"No runs in {home() / 'runs'} yet. Start one with 'sfp-viz finetune NET'."
    if rows:
        text = "\n\n".join([table(heads, rows), *(run.problem for run in damaged)])
    values = [run_to_dict(run) for run in readable]
    values += [
        {"run": run.path.name, "path": str(run.path), "state": "damaged", "message": run.problem}
        for run in damaged
    ]
    print_result(values, text, as_json=as_json)


def _row(run: Run) -> tuple[str, ...]:
    accuracy = run.epochs[-1].test_accuracy if run.epochs else None
    return (
        run.id, run.kind, run.state, f"{run.done}/{run.total}" if run.total else "", run.data,
        count(run.before.macs) if run.before else "",
        percent(run.one_shot) if run.one_shot is not None else "",
        percent(accuracy) if accuracy is not None else "", run.where,
    )  # fmt: skip


@runs.command()
@click.argument("run")
@click.option(
    "--follow",
    "following",
    is_flag=True,
    help="Show epochs as they come; Ctrl-C does not stop the run.",
)
@with_json
def show(run: str, following: bool, as_json: bool) -> None:
    """Show the progress, history and result of a run."""
    path = find_run(home(), run)
    current = read_run(path)
    if current.study:
        current = follow_study(path) if following else current
        print_result(study_run_to_dict(current), study_card(current), as_json=as_json)
    elif current.kind == SWEEP:
        current = follow_sweep(path, interrupt_cancels=False) if following else current
        print_result(sweep_run_to_dict(current), sweep_card(current), as_json=as_json)
    elif following and not as_json:
        follow(path, interrupt_cancels=False)
    else:
        current = follow(path, quiet=True, interrupt_cancels=False) if following else current
        _print_training(current, as_json)


def _print_training(run: Run, as_json: bool) -> None:
    """Print the card of a training, and its last epochs; as JSON all of them."""
    text, sparse = _card(run), run.kind == SPARSIFY
    if sparse and (lines := sparsify.epoch_lines(run.path)):
        text += "\n\n" + "\n".join([sparsify.HEAD, *lines[-10:]])
    if run.epochs:
        lines = [_epoch_line(run, number) for number in _last_epochs(run)]
        text += "\n\n" + "\n".join([_EPOCH_HEAD, *lines])
    value = {**run_to_dict(run), "history": [asdict(epoch) for epoch in run.epochs]}
    if sparse:
        value["sparse"] = sparsify.sparse_training_to_dict(run, history=True)
    print_result(value, text, as_json=as_json)


def follow(path: Path, *, quiet: bool = False, interrupt_cancels: bool = True) -> Run:
    """Show the epochs of a run as they come, until it is over; returns the run as it is then.

    Args:
        path: The folder of the run.
        quiet: Whether to print nothing.
        interrupt_cancels: Whether Ctrl-C cancels the run; else it goes on without being watched.
    """
    shown, thinned, run = 0, 0, read_run(path)
    try:
        for run in process.watch(path):
            if quiet:
                continue
            if run.kind == SPARSIFY:
                thinned += _say_thinning(path, thinned)
            started = bool(run.epochs) if run.kind == SPARSIFY else run.before is not None
            if shown == 0 and started:
                click.echo(_EPOCH_HEAD if run.over else f"{_card(run)}\n\n{_EPOCH_HEAD}")
                shown = 1
            while shown and shown <= len(run.epochs):
                click.echo(_epoch_line(run, shown))
                shown += 1
    except KeyboardInterrupt:
        if not interrupt_cancels:
            click.echo(
                f"\nThe run continues. Follow it: sfp-viz runs show {path.name} --follow", err=True
            )
            return read_run(path)
        click.echo("Cancelling ...", err=True)
        run = process.cancel(path)
    if not quiet:
        click.echo("\n" + (_card(run)))
    return run


def _say_thinning(path: Path, after: int) -> int:
    """Show epochs in which the network became sparse, but the first ``after``; how many."""
    lines = sparsify.epoch_lines(path, after)
    for line in lines if after else [sparsify.HEAD, *lines] if lines else []:
        click.echo(line)
    return len(lines)


def run_to_dict(run: Run) -> dict[str, Any]:
    """A run as one JSON value; accuracies 0..1, measured; MACs and params counted."""
    if run.study:
        return study_run_to_dict(run)
    return {
        **run_head_to_dict(run),
        "where": run.where,
        "plan": run.plan.hash if run.plan else None,
        "settings": asdict(run.settings),
        "epochs": len(run.epochs),
        "progress": round(run.progress, 4),
        "last": asdict(run.epochs[-1]) if run.epochs else None,
        "before": asdict(run.before) if run.before else None,
        "result": asdict(run.result) if run.result else None,
        "student": str(run.student) if run.student.exists() else None,
        **({"sparse": sparsify.sparse_training_to_dict(run)} if run.kind == SPARSIFY else {}),
    }


_EPOCH_HEAD = "epoch      loss   train    test  temperature  images/s     time"


def _epoch_line(run: Run, number: int) -> str:
    e = run.epochs[number - 1]
    return (
        f"{f'{e.epoch}/{e.epochs}':<8} {e.loss:>6.3f} {percent(e.train_accuracy):>7} "
        f"{percent(e.test_accuracy):>7}  {e.temperature:>11.2f}  {e.images_per_second:>8.0f} "
        f"{duration(e.seconds):>8}"
    )


def _last_epochs(run: Run) -> list[int]:
    """The numbers of the last ten epochs."""
    return list(range(max(1, len(run.epochs) - 9), len(run.epochs) + 1))


_FIRST = {"steps": "after the first pruning", "sparsify": "after pruning"}


def _card(run: Run) -> str:
    before, result = run.before, run.result
    lines: list[tuple[str, Any]] = [
        ("run", run.id),
        ("state", f"{run.state}{f', {run.phase}' if run.phase else ''}"),
        ("", run.message),
        ("started", time_text(run.created)),
        ("data", run.data),
        ("plan", run.plan.hash if run.plan else None),
        ("epochs", f"{run.done} of {run.total}"),
    ]
    lines += sparsify.sparse_facts(run) if run.kind == SPARSIFY else []
    if before:
        images = f"(measured on {before.images:,} test images)"
        lines += [
            ("MACs, params", f"{count(before.macs)}, {count(before.params)}  (counted)"),
            (_FIRST.get(run.kind, "one-shot"), f"{percent(before.one_shot)}  {images}"),
        ]
        if before.teacher_accuracy is not None:
            lines.append(("teacher", f"{percent(before.teacher_accuracy)}  {images}"))
    if result:
        words = f"(measured on {result.images:,} test images, 95 % {span(result.interval)})"
        lines += [
            ("fine-tuned" if run.epochs else "accuracy", f"{percent(result.accuracy)}  {words}"),
            ("took", duration(result.seconds)),
            ("network", run.student),
        ]
    return fact_list(lines)
