"""Commands that control runs: runs pause, resume, cancel, save, copy, delete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.commands.runs import follow, run_to_dict, runs
from sfp_viz.cli.output.study import follow_study, study_card, study_run_to_dict
from sfp_viz.cli.output.sweep import follow_sweep, sweep_card, sweep_run_to_dict
from sfp_viz.cli.output.text import print_result, with_json
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.folder import SWEEP, find_run, home, read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.saved_network import Saved, save_network
from sfp_viz.runs.results.sweeps import deletion_note
from sfp_viz.runs.resume import resume_run
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.sweep_control import put_back_text
from sfp_viz.text.numbers import percent


@runs.command()
@click.argument("run")
@with_json
def pause(run: str, as_json: bool) -> None:
    """Pause a run; it loses no work.

    It writes a checkpoint at its next step and ends. 'runs resume' continues from that step, to the
    same result as without the pause. A queued run leaves the queue.
    """
    _report(process.pause(find_run(home(), run)), as_json)


@runs.command()
@click.argument("run")
@click.option("--follow", "following", is_flag=True, help="Show epochs as they come.")
@with_json
def resume(run: str, following: bool, as_json: bool) -> None:
    """Continue a stopped run from its last checkpoint.

    A paused, lost, cancelled or failed run starts at once where a slot is free; otherwise it is
    next in the queue ('runs queue'). For a sweep, trainings whose workers died or never started
    return to the queue.
    """
    resumed = resume_run(read_run(find_run(home(), run)))
    current = resumed.run
    if current.kind == SWEEP and following:
        current = follow_sweep(current.path, interrupt_cancels=False)
        print_result(sweep_run_to_dict(current), sweep_card(current), as_json=as_json)
    elif current.kind == SWEEP:
        _report(current, as_json, put_back_text(current, resumed.requeued))
    elif current.study and following:
        current = follow_study(current.path)
        print_result(study_run_to_dict(current), study_card(current), as_json=as_json)
    elif following:
        current = follow(current.path, quiet=as_json, interrupt_cancels=False)
        print_result(run_to_dict(current), "", as_json=True) if as_json else None
    else:
        _report(current, as_json)


@runs.command()
@click.argument("run")
@with_json
def cancel(run: str, as_json: bool) -> None:
    """Stop a run and all its processes.

    By force if necessary. It can be resumed from its last checkpoint; 'runs pause' also keeps the
    steps after that.
    """
    _report(process.cancel(find_run(home(), run)), as_json)


@runs.command()
@click.argument("run")
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path),
              metavar="FILE", help="The file to write, such as student.safetensors.")  # fmt: skip
@with_json
def save(run: str, target: Path, as_json: bool) -> None:
    """Write the network of a training to a file.

    That is the trained network of a finished run, or the network of the newest checkpoint of any
    other, also while it runs; the output names the epoch. The file is a NET for other commands
    ('measure', 'export').
    """
    saved = save_network(find_run(home(), run), target)
    value = {**asdict(saved), "file": str(saved.file)}
    print_result(value, f"Wrote {saved.file}: {_of(saved)}.", as_json=as_json)


@runs.command()
@click.argument("run")
@click.option("--batch-size", type=click.IntRange(1), help="A smaller batch needs less "
              "memory.")  # fmt: skip
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True),
              help="A lower one helps where the loss became infinite.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="Epochs of the (last) fine-tuning.")
@click.option("--seed", type=int, help="Seed of the order of the images.")
@with_json
def copy(run: str, as_json: bool, **changes: Any) -> None:
    """Train the same network again with other settings.

    The copy is a new run in the queue; the first run is not changed. For a sparse training,
    --epochs are those of its fine-tuning; the other options apply to both phases.
    """
    from sfp_viz.runs import queue

    changed = {name: value for name, value in changes.items() if value is not None}
    path = copy_with(find_run(home(), run), **changed)
    _report(queue.enqueue(path), as_json)


@runs.command()
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@with_json
def delete(run: str, yes: bool, as_json: bool) -> None:
    """Delete a run with everything it trained or measured.

    This cannot be undone. A running run must be cancelled first.
    """
    path = find_run(home(), run)
    sweep = read_run(path).kind == SWEEP
    note = deletion_note(read_run(path)) if sweep else ""
    if not yes:
        subject = f"{path} with everything it trained or measured?"
        if sweep:
            subject = f"the sweep {path}? {note}"
        click.confirm(f"Delete {subject}", abort=True, err=True)
    process.delete(path)
    print_result({"deleted": path.name}, f"Deleted {path.name}. {note}".rstrip(), as_json=as_json)


def _report(run: Run, as_json: bool, note: str = "") -> None:
    text = " ".join(filter(None, (f"Run {run.id}: {run.state}.", run.message, note)))
    print_result(run_to_dict(run), text, as_json=as_json)


def _of(saved: Saved) -> str:
    """Which epoch a saved network is of, and what was measured on it."""
    if saved.step:
        at = f"the network in the middle of epoch {saved.epoch + 1} of {saved.epochs}"
        return f"{at}, after {saved.step} steps of it (accuracy not measured)"
    text = f"the network after epoch {saved.epoch} of {saved.epochs}"
    if saved.accuracy is None:
        return text
    return f"{text}, {percent(saved.accuracy)} measured on {saved.images:,} test images"
