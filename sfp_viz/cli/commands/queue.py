"""The line of trainings from a shell: runs queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.commands.runs import runs
from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.runs import queue
from sfp_viz.runs.folder import find_run, home
from sfp_viz.runs.launch import process
from sfp_viz.runs.scheduling import slots
from sfp_viz.runs.scheduling.activity import read_activity
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import duration

_WHY = {
    "variable": f"set by {slots.VARIABLE}",
    "settings": "set for this workspace",
    "machine": "one a graphics card, one without any",
}


@runs.command("queue")
@click.option("--at-once", type=click.IntRange(0, slots.MOST), metavar="N",
              help="So many trainings may work at a time; 0 leaves it to the machine.")  # fmt: skip
@click.option("--move", "moving", nargs=2, type=(str, click.IntRange(1)), metavar="RUN PLACE",
              help="Put a run at a place of the line; 1 is the next to start.")  # fmt: skip
@click.option("--first", metavar="RUN", help="Put a run at the front of the line.")
@click.option("--remove", metavar="RUN", help="Take a run out of the line.")
@with_json
def queue_command(
    at_once: int | None,
    moving: tuple[str, int] | None,
    first: str | None,
    remove: str | None,
    as_json: bool,
) -> None:
    """The runs that wait for their turn, and how many may work at a time.

    A run taken out of the line can be put back with 'runs resume'.
    """
    here = home()
    if at_once is not None:
        slots.set_slots(here, at_once or None)
    if remove:
        queue.withdraw(_find(here, remove), home=here)
    for name, place in [*([moving] if moving else []), *([(first, 1)] if first else [])]:
        queue.move(_find(here, name), place - 1, home=here)
    if read_activity(here).queued:
        queue.start_waiting(here)
        queue.ensure_dispatcher(here)
    value = queue_value(here)
    print_result(value, _text(here, value), as_json=as_json)


def queue_value(here: Path) -> dict[str, Any]:
    """The line of the workspace ``here`` as one JSON value; starts in seconds from now, estimated
    from epochs of runs of the same network, null where there are none."""
    now = read_activity(here)
    number, source = slots.slot_setting(here)
    starts = queue.expected_starts(here, now)
    return {
        "at_once": number,
        "at_once_from": source,
        "working": [run.id for run in now.working],
        "queued": [
            {**_entry(run), "place": place, "starts_in": starts[run.id]}
            for place, run in enumerate(now.queued, 1)
        ],
    }


def _place_of(here: Path, path: Path) -> int:
    """The place of a run in the line of ``here``, from 1; 0 when it is not in line."""
    names = [run.path.name for run in queue.queued_runs(here)]
    return names.index(path.name) + 1 if path.name in names else 0


def start_training(path: Path, *, background: bool, where: str) -> None:
    """Start the training in ``path``: at once when somebody waits for it, else when its turn comes;
    ``where`` 'cluster' hands it to the Ray cluster."""
    if where == "cluster":
        queue.enqueue(path, where="ray")
    elif background:
        queue.enqueue(path, home=home())
    else:
        process.launch(path)


def print_started(path: Path, shown: str, *, as_json: bool) -> None:
    """Say that the run in ``path`` goes on by itself: it started, or has this place in the line of
    the workspace. ``shown``: what 'runs show' takes to watch it."""
    number = _place_of(home(), path)
    begun = f"is number {number} in line" if number else "started"
    value = {"run": path.name, "path": str(path), "place": number}
    print_result(
        value, f"Run {path.name} {begun}. Watch it: sfp-viz runs show {shown}", as_json=as_json
    )


def _find(here: Path, name: str) -> Path:
    """The run in line called ``name``, also one outside of the workspace; else any run."""
    in_line = [run.path for run in queue.queued_runs(here)]
    found = [p for p in in_line if p.name == name] or [
        p for p in in_line if p.name.startswith(name)
    ]
    return found[0] if len(found) == 1 else find_run(here, name)


def _entry(run: Run) -> dict[str, Any]:
    return {"run": run.id, "name": run.name, "kind": run.kind, "total": run.total, "done": run.done}


def _text(here: Path, value: dict[str, Any]) -> str:
    count = value["at_once"]
    head = f"{count} at a time ({_WHY[value['at_once_from']]}), {len(value['working'])} at work."
    if not value["queued"]:
        return f"{head}\nNo run waits for its turn."
    rows = [
        (one["place"], one["run"], one["kind"], f"{one['done']}/{one['total']}", _starts(one))
        for one in value["queued"]
    ]
    heads = ("place", "run", "kind", "done", "starts in (estimated)")
    return f"{head}\n\n{table(heads, rows)}"


def _starts(one: dict[str, Any]) -> str:
    seconds = one["starts_in"]
    return "not known" if seconds is None else f"about {duration(seconds)}"
