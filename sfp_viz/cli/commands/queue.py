"""The command runs queue, and how the commands that train start their runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.commands.runs import follow, run_to_dict, runs
from sfp_viz.cli.options.start import StartOptions
from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.errors import RunError
from sfp_viz.runs import queue
from sfp_viz.runs.folder import find_run, home, read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.scheduling import slots
from sfp_viz.runs.scheduling.activity import read_activity
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import duration

_WHY = {
    "variable": f"set by {slots.VARIABLE}",
    "settings": "set for this workspace",
    "machine": "one per GPU, one without a GPU",
}


@runs.command("queue")
@click.option("--at-once", type=click.IntRange(0, slots.MOST), metavar="N",
              help="Trainings at a time; 0 restores the default (one per GPU).")  # fmt: skip
@click.option("--move", "moving", nargs=2, type=(str, click.IntRange(1)), metavar="RUN PLACE",
              help="Move a run to a place in the queue; 1 starts next.")  # fmt: skip
@click.option("--first", metavar="RUN", help="Move a run to the front of the queue.")
@click.option("--remove", metavar="RUN", help="Remove a run from the queue.")
@with_json
def queue_command(
    at_once: int | None,
    moving: tuple[str, int] | None,
    first: str | None,
    remove: str | None,
    as_json: bool,
) -> None:
    """Show or change the queue of trainings.

    'runs resume' puts a removed run back.
    """
    workspace = home()
    if at_once is not None:
        slots.set_slots(workspace, at_once or None)
    if remove:
        queue.withdraw(_find(workspace, remove), home=workspace)
    for name, place in [*([moving] if moving else []), *([(first, 1)] if first else [])]:
        queue.move(_find(workspace, name), place - 1, home=workspace)
    if read_activity(workspace).queued:
        queue.start_waiting(workspace)
        queue.ensure_dispatcher(workspace)
    value = queue_to_dict(workspace)
    print_result(value, _text(workspace, value), as_json=as_json)


def queue_to_dict(workspace: Path) -> dict[str, Any]:
    """The queue of ``workspace`` as one JSON value. Each queued run has ``starts_in``, in seconds
    from now, estimated from epochs of runs of the same network; null where there are none."""
    activity = read_activity(workspace)
    number, source = slots.slot_setting(workspace)
    starts = queue.expected_starts(workspace, activity)
    return {
        "at_once": number,
        "at_once_from": source,
        "working": [run.id for run in activity.working],
        "queued": [
            {**_entry(run), "place": place, "starts_in": starts[run.id]}
            for place, run in enumerate(activity.queued, 1)
        ],
    }


def _place_of(workspace: Path, path: Path) -> int:
    """The place of a run in the queue of ``workspace``, from 1; 0 when it is not queued."""
    names = [run.path.name for run in queue.queued_runs(workspace)]
    return names.index(path.name) + 1 if path.name in names else 0


def start_and_follow(path: Path, options: StartOptions, *, show: str = "") -> None:
    """Start the training in ``path`` and show its epochs until it ends.

    Args:
        path: The folder of the run.
        options: With ``background`` the run is queued, and the command returns at once.
        show: What 'runs show' takes to follow it; by default its name.

    Raises:
        RunError: The run did not finish; the message says how to resume it.
    """
    if options.where == "cluster":
        queue.enqueue(path, where="ray")
    elif options.background:
        queue.enqueue(path, home=home())
    else:
        process.launch(path)
    if options.background:
        print_started(path, show or path.name, as_json=options.as_json)
        return
    run = follow(path, quiet=options.as_json)
    if options.as_json:
        print_result(run_to_dict(run), "", as_json=True)
    check_finished(run)


def print_started(path: Path, shown: str, *, as_json: bool) -> None:
    """Print that a run was started, or its place in the queue.

    Args:
        path: The folder of the run.
        shown: What 'runs show' takes to follow it.
        as_json: Whether to print JSON.
    """
    place = _place_of(home(), path)
    status = f"is number {place} in the queue" if place else "was started"
    value = {"run": path.name, "path": str(path), "place": place}
    text = f"Run {path.name} {status}. Follow it: sfp-viz runs show {shown}"
    print_result(value, text, as_json=as_json)


def check_finished(run: Run) -> None:
    """Raise RunError unless ``run`` is finished now."""
    ended = read_run(run.path)
    if ended.state != "finished":
        message = ended.message or f"The run is {ended.state}."
        raise RunError(f"{message} Resume it: sfp-viz runs resume {run.id}")


def _find(workspace: Path, name: str) -> Path:
    """The queued run called ``name``, also one outside of the workspace; else any run."""
    queued = [run.path for run in queue.queued_runs(workspace)]
    matches = [p for p in queued if p.name == name] or [
        p for p in queued if p.name.startswith(name)
    ]
    return matches[0] if len(matches) == 1 else find_run(workspace, name)


def _entry(run: Run) -> dict[str, Any]:
    return {"run": run.id, "name": run.name, "kind": run.kind, "total": run.total, "done": run.done}


def _text(workspace: Path, value: dict[str, Any]) -> str:
    count = value["at_once"]
    head = f"{count} at a time ({_WHY[value['at_once_from']]}), {len(value['working'])} running."
    if not value["queued"]:
        return f"{head}\nThe queue is empty."
    rows = [
        (
            entry["place"],
            entry["run"],
            entry["kind"],
            f"{entry['done']}/{entry['total']}",
            _starts(entry),
        )
        for entry in value["queued"]
    ]
    heads = ("place", "run", "kind", "done", "starts in (estimated)")
    return f"{head}\n\n{table(heads, rows)}"


def _starts(entry: dict[str, Any]) -> str:
    seconds = entry["starts_in"]
    return "not known" if seconds is None else f"about {duration(seconds)}"
