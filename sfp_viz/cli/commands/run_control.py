"""Commands that steer what is going: runs pause, resume, cancel, save, copy, delete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.commands.runs import follow, run_value, runs
from sfp_viz.cli.output.study import follow_study, study_card, study_json
from sfp_viz.cli.output.sweep import follow_sweep, sweep_card, sweep_json
from sfp_viz.cli.output.text import print_result, with_json
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.folder import SWEEP, find_run, home, read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.saved_network import Saved, save_network
from sfp_viz.runs.results.sweeps import deletion_note
from sfp_viz.runs.resume import resume as resume_run
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.sweep_control import lost_children, put_back_text
from sfp_viz.text.numbers import percent


@runs.command()
@click.argument("run")
@with_json
def pause(run: str, as_json: bool) -> None:
    """Pause a run: it keeps all that it has done, and its processor is free.

    It writes a checkpoint at its next step and ends; 'runs resume' goes on from that very step, to
    the same result as without the pause. A run in line leaves the line.
    """
    _report(process.pause(find_run(home(), run)), as_json)


@runs.command()
@click.argument("run")
@click.option("--follow", "following", is_flag=True, help="Show epochs as they come.")
@with_json
def resume(run: str, following: bool, as_json: bool) -> None:
    """Go on with a paused, lost, cancelled or failed run from its last checkpoint.

    It starts at once where a place is free, else it is the next in line ('runs queue'). A sweep
    puts those of its trainings back in line whose workers are gone or never started.
    """
    path = find_run(home(), run)
    lost = _lost_of(path)
    resume_run(path)
    if lost is not None and following:
        laid = follow_sweep(path, ours=False)
        print_result(sweep_json(laid), sweep_card(laid), as_json=as_json)
    elif lost is not None:
        _report(read_run(path), as_json, put_back_text(read_run(path), lost))
    elif following and read_run(path).study:
        done = follow_study(path)
        print_result(study_json(done), study_card(done), as_json=as_json)
    elif following:
        found = follow(path, quiet=as_json, ours=False)
        print_result(run_value(found), "", as_json=True) if as_json else None
    else:
        _report(read_run(path), as_json)


@runs.command()
@click.argument("run")
@with_json
def cancel(run: str, as_json: bool) -> None:
    """Stop a run, by force if need be, and leave no process of it.

    It can be resumed from its last checkpoint. To stop for a while only, pause it.
    """
    _report(process.cancel(find_run(home(), run)), as_json)


@runs.command()
@click.argument("run")
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path),
              metavar="FILE", help="The file to write, such as student.safetensors.")  # fmt: skip
@with_json
def save(run: str, target: Path, as_json: bool) -> None:
    """Write the network of a training to a file, also while it goes on.

    It is the trained network of a finished run, else that of the newest checkpoint; which epoch it
    is of is said. The file is a NET for the other commands ('measure', 'export').
    """
    saved = save_network(find_run(home(), run), target)
    value = {**asdict(saved), "file": str(saved.file)}
    print_result(value, f"Wrote {saved.file}: {_of(saved)}.", as_json=as_json)


@runs.command()
@click.argument("run")
@click.option("--batch-size", type=click.IntRange(1), help="Images at a time; half needs less "
              "memory.")  # fmt: skip
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--epochs", type=click.IntRange(1))
@click.option("--seed", type=int)
@with_json
def copy(run: str, as_json: bool, **changes: Any) -> None:
    """Train the same network anew with other settings: a new run, put in line.

    For a run that ran out of memory (half the batch size) or whose loss became infinite (a lower
    learning rate). The first run stays as it is. Of a run that prunes while training, --epochs are
    those of its fine-tuning; the rest holds for both parts.
    """
    from sfp_viz.runs import queue

    given = {name: value for name, value in changes.items() if value is not None}
    path = copy_with(find_run(home(), run), **given)
    _report(queue.enqueue(path), as_json)


@runs.command()
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_json
def delete(run: str, yes: bool, as_json: bool) -> None:
    """Delete the folder of a run for good, with what it trained or measured.

    Not while it works: cancel it first.
    """
    path = find_run(home(), run)
    sweep = read_run(path).kind == SWEEP
    kept = deletion_note(read_run(path)) if sweep else ""
    if not yes:
        what = f"the sweep {path}? {kept}" if sweep else f"{path} with what it trained or measured?"
        click.confirm(f"Delete {what}", abort=True, err=True)
    process.delete(path)
    print_result({"deleted": path.name}, f"Deleted {path.name}. {kept}".rstrip(), as_json=as_json)


def _lost_of(path: Path) -> int | None:
    """How many trainings of a sweep lost their workers; None for any other run."""
    run = read_run(path)
    return len(lost_children(run)) if run.kind == SWEEP else None


def _report(run: Run, as_json: bool, more: str = "") -> None:
    text = " ".join(filter(None, (f"Run {run.id}: {run.state}.", run.message, more)))
    print_result(run_value(run), text, as_json=as_json)


def _of(saved: Saved) -> str:
    """Which epoch a saved network is of, and what was measured on it."""
    if saved.step:
        at = f"the network in the middle of epoch {saved.epoch + 1} of {saved.epochs}"
        return f"{at}, after {saved.step} steps of it (its accuracy was not measured)"
    text = f"the network after epoch {saved.epoch} of {saved.epochs}"
    if saved.accuracy is None:
        return text
    return f"{text}, {percent(saved.accuracy)} measured on {saved.images:,} test images"
