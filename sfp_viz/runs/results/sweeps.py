"""Sweeps: laying one out, its children, and what they come to. Loads no torch.

A sweep's worker prunes for each member and lays out an ordinary training for it; ``points.jsonl``
says which run came of which member. The children know their sweep by ``facts.sweep``, and go on
without it: deleting a sweep leaves them alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sfp_viz.core.plan.sweep import Member, Sweep, sweep_from_dict
from sfp_viz.errors import RunError, SfpError
from sfp_viz.files import read_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.storage.records import Run

REQUEST_FILE = "sweep.json"


def read_sweep(path: Path) -> tuple[Sweep, tuple[str, ...]]:
    """What the sweep in ``path`` was asked for, and its locks. Raises RunError if unreadable."""
    value = read_json(path / REQUEST_FILE)
    try:
        if value is None:
            raise ValueError("there is no such file")
        return sweep_from_dict(value), tuple(str(name) for name in value["locks"])
    except (KeyError, TypeError, ValueError, SfpError) as problem:
        raise RunError(
            f"{REQUEST_FILE} of the sweep at {path} is not readable: {problem}."
        ) from problem


def child_folder(path: Path, number: int) -> Path:
    """The folder of a member of a sweep.

    Args:
        path: The folder of the sweep.
        number: The number of the member, from 1.
    """
    return path.with_name(f"{path.name}-{number:03d}")


@dataclass(frozen=True)
class Child:
    """A member of a sweep and its ``run``; without one ``problem`` says why, or is '' while it
    was not laid out yet."""

    member: Member
    run: Run | None = None
    problem: str = ""


def sweep_children(run: Run) -> tuple[Child, ...]:
    """The members of the sweep ``run`` with their runs as they are now, in order."""
    values = {point.task: point.value for point in run.points}
    children = []
    for member in read_sweep(run.path)[0].members:
        value = values.get(member.task)
        if isinstance(value, dict):
            children.append(Child(member, None, str(value.get("problem") or "")))
        elif value is None:
            children.append(Child(member))
        else:
            child = None
            with suppress(SfpError):
                child = read_run(run.path.with_name(Path(str(value)).name))
            children.append(Child(member, child, "" if child else "This run was deleted."))
    return tuple(children)


@dataclass(frozen=True)
class Spread:
    """The ``mean`` of ``count`` values and their standard deviation (n - 1); None for one value."""

    mean: float
    deviation: float | None
    count: int


@dataclass(frozen=True)
class Cell:
    """What one recipe comes to at one target, over its seeds: accuracies 0..1 measured by its
    runs, before and after training; ``macs`` counted, the mean of its networks. ``done`` of ``of``
    runs are finished, ``stopped`` failed or were stopped. Nothing measured yet is None."""

    target: float
    recipe: str
    macs: float | None
    one_shot: Spread | None
    accuracy: Spread | None
    done: int
    of: int
    stopped: int = 0
    problem: str = ""


def sweep_summary(children: Sequence[Child]) -> tuple[Cell, ...]:
    """The cells of a sweep, by target and in the order of its recipes."""
    cells: dict[tuple[float, str], list[Child]] = {}
    for child in children:
        cells.setdefault((child.member.target, child.member.name), []).append(child)
    return tuple(_cell(target, name, group) for (target, name), group in cells.items())


def _cell(target: float, name: str, group: Sequence[Child]) -> Cell:
    runs = [child.run for child in group if child.run is not None]
    before = [run.before for run in runs if run.before]
    results = [run.result for run in runs if run.result]
    return Cell(
        target=target,
        recipe=name,
        macs=statistics.fmean(measured.macs for measured in before) if before else None,
        one_shot=spread([measured.one_shot for measured in before]),
        accuracy=spread([result.accuracy for result in results]),
        done=len(results),
        of=len(group),
        stopped=sum(run.over and run.result is None for run in runs),
        problem=next((child.problem for child in group if child.problem), ""),
    )


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and standard deviation; None of nothing."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


def deletion_note(run: Run) -> str:
    """Which runs are kept when the sweep ``run`` is deleted, in a sentence."""
    count = sum(child.run is not None for child in sweep_children(run))
    if not count:
        return "It has no runs."
    if count == 1:
        return "Its run is kept; delete it separately."
    return f"Its {count} runs are kept; delete them separately."
