"""Runs in steps: laying one out, and what its stages came to. Loads no torch.

Besides what a training's folder holds: ``steps.json`` (recipe, edits and schedule, by the starter),
``stages.jsonl`` and ``stages/<n>/`` (``plan.json``, the network before and after its training), and
at the end ``plan.json``, all stages as one plan of the original, by the worker.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sfp_viz.core.plan.edits import Edits, edits_from_dict
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.selection.iterative_schedule import Steps, steps_from_dict
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError, SfpError
from sfp_viz.files import read_json, write_text
from sfp_viz.runs.storage.history import json_lines
from sfp_viz.runs.storage.json_record import record_from_dict
from sfp_viz.runs.storage.records import Run

KIND = "steps"
REQUEST_FILE, STAGES = "steps.json", "stages.jsonl"


@dataclass(frozen=True)
class StepsRequest:
    """What a run in steps was asked for: ``recipe`` with the last target, ``edits`` relative to
    the original, and the ``steps`` that lead there."""

    recipe: Recipe
    edits: Edits | None
    steps: Steps


@dataclass(frozen=True)
class Stage:
    """One line of stages.jsonl: stage ``number`` from 1 on, the ``target`` it had and the
    ``reduction`` of MACs it reached, both shares of the original, counted; MACs and params of the
    student; ``one_shot`` accuracy 0..1 after its cut and before its training, measured; the hash
    of its ``plan``."""

    number: int
    target: float
    reduction: float
    macs: int
    params: int
    one_shot: float
    plan: str


def read_steps_request(path: Path) -> StepsRequest:
    """What the run in ``path`` was asked for. Raises RunError where that is not readable."""
    value = read_json(path / REQUEST_FILE)
    try:
        if value is None:
            raise ValueError("there is no such file")
        edits = value["edits"]
        return StepsRequest(
            Recipe(**value["recipe"]),
            None if edits is None else edits_from_dict(edits),
            steps_from_dict(value["steps"]),
        )
    except (KeyError, TypeError, ValueError, SfpError) as problem:
        raise RunError(
            f"{REQUEST_FILE} of the run at {path} is not readable: {problem}."
        ) from problem


def read_stages(path: Path) -> tuple[Stage, ...]:
    """The stages that were begun, in order; () for any other run."""
    stages: list[Stage] = []
    with suppress(RunError):  # a line that is not ours: what was readable counts
        for value in json_lines(path / STAGES):
            stages.append(record_from_dict(Stage, value, path / STAGES))
    return tuple(stages)


def final_network_epochs(run: Run) -> tuple[Epoch, ...]:
    """The epochs of the network that ``run`` has come to: for a run in steps those of its newest
    stage, since the networks before had more filters; else all."""
    stages = read_stages(run.path) if run.kind == KIND else ()
    if not stages:
        return run.epochs
    try:
        before = read_steps_request(run.path).steps.epochs_of[: stages[-1].number - 1]
    except RunError:
        return run.epochs
    return run.epochs[sum(before) :]


def write_stages(path: Path, stages: Sequence[Stage]) -> None:
    """Write stages.jsonl at once.

    Args:
        path: The folder of the run.
        stages: All its lines.
    """
    write_text(path / STAGES, "".join(json.dumps(asdict(stage)) + "\n" for stage in stages))


def stage_folder(path: Path, number: int) -> Path:
    """The folder of a stage.

    Args:
        path: The folder of the run.
        number: The number of the stage, from 1.
    """
    return path / "stages" / str(number)
