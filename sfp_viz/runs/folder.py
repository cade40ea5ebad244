"""The folder of a run: what lies in it, read into a Run. Nothing here writes while a run works.

``settings.json``, ``plan.json``, ``evidence/``, ``teacher.safetensors``, ``start.safetensors``,
``launch.json``, ``queued.json`` and ``request`` are written by those who start and stop runs (under
``launch.lock``); ``worker.json``, ``before.json``, ``epochs.jsonl`` or ``points.jsonl``,
``checkpoint-1.safetensors`` and ``-2``, ``student.safetensors`` or what a study found,
``result.json`` and ``log.txt`` by the worker (under ``worker.lock``). One writer a file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfp_viz.core.evidence.study import KINDS, study_from_dict
from sfp_viz.core.plan.plan import plan_from_json
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError, SfpError
from sfp_viz.files import read_json
from sfp_viz.runs import folder
from sfp_viz.runs.liveness import read_signs, run_message
from sfp_viz.runs.storage.history import read_epochs, read_points
from sfp_viz.runs.storage.json_record import load_record
from sfp_viz.runs.storage.layout import FORMAT, RunSettings, local_data
from sfp_viz.runs.storage.records import Before, Finding, Point, Result, Run
from sfp_viz.runs.storage.sparsify import KIND as SPARSIFY
from sfp_viz.runs.storage.sparsify import read_outcome, sparsify_progress
from sfp_viz.runs.storage.state import OVER, State, state_of
from sfp_viz.runs.storage.worker_record import WorkerRecord

TRAINING = "finetune"
TRAININGS = (TRAINING, "steps", SPARSIFY)  # kinds that end with a trained network
SWEEP = "sweep"  # lays out trainings; its points are the runs it laid out
ONCE = "observe"  # one piece of work: there is nothing of it until its end


def home() -> Path:
    """The workspace: ``SFP_VIZ_HOME``, or ``.sfp_viz`` in the current folder."""
    return Path(os.environ.get("SFP_VIZ_HOME") or ".sfp_viz").expanduser().absolute()


def read_run(path: Path, now: float | None = None) -> Run:
    """Read the folder of a run.

    Args:
        path: The folder.
        now: The time in seconds since 1970; by default the clock's.

    Raises:
        RunError: There is no run, or its files cannot be read.
    """
    request = _asked(path, RunSettings.load(path))
    signs = read_signs(path, time.time() if now is None else now)
    worker = signs.worker
    state, study = state_of(signs), request["study"]
    by_points = study is not None or request["kind"] == SWEEP
    with_result = state == "finished" and not by_points
    epochs = () if by_points else read_epochs(path)
    points = read_points(path) if by_points else ()
    resume_point = "the last point" if by_points else "the last checkpoint"
    total = worker.total if by_points else request["settings"].epochs
    reached = _reached(state, worker, total, points or epochs, at_once=request["kind"] == ONCE)
    message = run_message(state, signs, resume_point=resume_point)
    if request["kind"] == SPARSIFY:
        reached = sparsify_progress(path, worker, epochs, total, state=state)
        outcome = read_outcome(path) if state == "finished" else None
        message = " ".join(outcome.notes) if outcome else message
    return Run(
        id=path.name,
        path=path,
        state=state,
        epochs=epochs,
        points=points,
        before=load_record(Before, path / "before.json"),
        result=load_record(Result, path / "result.json") if with_result else None,
        finding=read_finding(path) if state == "finished" and study else None,
        message=message,
        phase=worker.phase if state not in OVER else "",
        age_seconds=signs.beat_age,
        where=signs.launch.where,
        threads=worker.threads,
        trouble=worker.trouble if state == "failed" else "",
        launch=signs.launch,
        worker=worker,
        **request,
        **reached,
    )


def read_finding(path: Path) -> Finding | None:
    """What a finished study came to, in short; None before its end, and for a training."""
    return load_record(Finding, path / "result.json")


def _asked(path: Path, entry: RunSettings) -> dict[str, Any]:
    """The fields of a Run that its starter wrote down."""
    try:
        kind = entry.kind
        if entry.format != FORMAT or kind not in (*TRAININGS, SWEEP, *KINDS):
            raise RunError(f"The run at {path} was made by a newer version of sfp-viz.")
        study = study_from_dict(dict(entry.settings)) if kind in KINDS else None
        plan = path / "plan.json"
        return {
            "kind": kind,
            "study": study,
            "settings": Distillation() if study else Distillation(**entry.settings),
            "name": entry.name,
            "data": local_data(entry.data),
            "created": entry.created,
            "facts": entry.facts,
            "plan": plan_from_json(plan.read_text()) if plan.exists() else None,
        }
    except (KeyError, TypeError, ValueError, OSError) as problem:
        raise RunError(f"The settings of the run at {path} are not readable: {problem!r}.") from (
            problem
        )


def _reached(
    state: State,
    worker: WorkerRecord,
    total: int,
    lines: Sequence[Epoch | Point],
    *,
    at_once: bool = False,
) -> dict[str, Any]:
    """How far the run is: epochs or points that are done, of how many, and the time that is left,
    estimated from those that are done. What is made ``at_once`` keeps no lines on its way: it has
    done what its worker says, and all or nothing at the end."""
    share_of_epoch = worker.step / max(1, worker.steps)
    at_work = state in ("running", "cancelling", "pausing", "paused")
    reached = max(len(lines), worker.done + share_of_epoch if at_work else 0)
    seconds_left = None
    if state == "running" and lines and total:
        seconds_left = max(0.0, total - reached) * sum(line.seconds for line in lines) / len(lines)
    share = 1.0 if state == "finished" else min(1.0, reached / total) if total else 0.0
    done = len(lines)
    if at_once:
        done = total if state == "finished" else int(reached)
    return {"done": done, "total": total, "progress": share, "seconds_left": seconds_left}


def list_runs(home: Path, kind: str | tuple[str, ...] | None = None) -> tuple[Run, ...]:
    """The readable runs of the workspace, the newest first.

    Args:
        home: The workspace.
        kind: Only those of this kind ('finetune', 'sensitivity' ...), or of these (TRAININGS).
    """
    return read_runs(home, kind)[0]


@dataclass(frozen=True)
class DamagedRun:
    """A folder among the runs that cannot be read, and why."""

    path: Path
    problem: str


def read_runs(
    home: Path, kind: str | tuple[str, ...] | None = None
) -> tuple[tuple[Run, ...], tuple[DamagedRun, ...]]:
    """The runs of the workspace, the newest first, and those that are damaged, by name.

    Args:
        home: The workspace.
        kind: Only those of this kind or of these kinds; damaged ones then only if theirs is known.
    """
    kinds = (kind,) if isinstance(kind, str) else kind
    runs: list[Run] = []
    damaged: list[DamagedRun] = []
    for file in sorted((home / "runs").glob("[!.]*/settings.json")):
        if kinds is not None and (read_json(file) or {}).get("kind") not in kinds:
            continue
        try:
            runs.append(read_run(file.parent))
        except SfpError as problem:
            if file.exists():  # else it was deleted meanwhile
                damaged.append(DamagedRun(file.parent, str(problem)))
    newest_first = sorted(runs, key=lambda run: (run.created, run.id), reverse=True)
    return tuple(newest_first), tuple(damaged)


def find_run(home: Path, name: str) -> Path:
    """The folder of a run.

    Args:
        home: The workspace.
        name: The id of the run, the start of its id, or a path to its folder.

    Raises:
        RunError: No run, or more than one, is called so.
    """
    if (Path(name) / "settings.json").is_file():
        return Path(name)
    folders = [p.parent for p in (home / "runs").glob("*/settings.json")]
    folders = [p for p in folders if not p.name.startswith(".")]
    exact = [p for p in folders if p.name == name]
    matches = exact or [p for p in folders if p.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    problem = f"No run is called '{name}'"
    if matches:
        problem = f"{len(matches)} runs begin with '{name}'"
    listed = ", ".join(sorted(p.name for p in matches or folders)[-5:]) or "none yet"
    raise RunError(f"{problem} in {home / 'runs'}. Known: {listed}. See 'sfp-viz runs list'.")


def outside_runs(home: Path) -> tuple[str, ...]:
    """Folders of runs outside of the workspace that were put in its queue."""
    return tuple((read_json(home / "queue" / "outside.json") or {}).get("paths", ()))


def workspace_of(path: Path) -> Path:
    """The workspace that the run in ``path`` belongs to: the one it lies in, or the usual one where
    it lies in none, or was queued from another."""
    path, usual = path.absolute(), folder.home()
    inside = path.parent.name == "runs" and str(path) not in outside_runs(usual)
    return path.parent.parent if inside else usual
