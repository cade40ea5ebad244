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
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from sfp_viz.core.evidence.study import KINDS, study_of
from sfp_viz.core.plan.plan import plan_from_json
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError, SfpError
from sfp_viz.files import read_json
from sfp_viz.runs import folder
from sfp_viz.runs.liveness import message, read_signs
from sfp_viz.runs.storage.history import read_epochs, read_points
from sfp_viz.runs.storage.layout import FORMAT, local_data
from sfp_viz.runs.storage.records import Before, Finding, Point, Result, Run
from sfp_viz.runs.storage.sparsify import KIND as SPARSIFY
from sfp_viz.runs.storage.sparsify import read_outcome, sparsify_progress
from sfp_viz.runs.storage.state import OVER, Signs, State, state_of

TRAINING = "finetune"
TRAININGS = (TRAINING, "steps", SPARSIFY)  # kinds that end with a trained network
SWEEP = "sweep"  # lays out trainings; its points are the runs it laid out
ONCE = "observe"  # one piece of work: there is nothing of it until its end


def home() -> Path:
    """The workspace: ``SFP_VIZ_HOME``, or ``.sfp_viz`` in the current folder."""
    return Path(os.environ.get("SFP_VIZ_HOME") or ".sfp_viz").expanduser().absolute()


def read_run(path: Path, now: float | None = None) -> Run:
    """Read a run's folder; ``now`` in seconds since 1970. Raises RunError if it is none."""
    value = read_json(path / "settings.json")
    if value is None:
        raise RunError(f"There is no run at {path}: its settings.json is missing or unreadable.")
    asked = _asked(path, value)
    signs, worker = _signs(path, time.time() if now is None else now)
    state, study = state_of(signs), asked["study"]
    by_points = study is not None or asked["kind"] == SWEEP
    epochs = () if by_points else read_epochs(path)
    points = read_points(path) if by_points else ()
    kept = "the last point" if by_points else "the last checkpoint"
    total = int(worker.get("total") or 0) if by_points else asked["settings"].epochs
    far = _reached(state, worker, total, points or epochs, at_once=asked["kind"] == ONCE)
    said = message(state, worker, signs, kept=kept)
    if asked["kind"] == SPARSIFY:
        far = sparsify_progress(path, worker, epochs, total, state=state)
        outcome = read_outcome(path) if state == "finished" else None
        said = " ".join(outcome.notes) if outcome else said
    return Run(
        id=path.name,
        path=path,
        state=state,
        epochs=epochs,
        points=points,
        before=_record(Before, read_json(path / "before.json")),
        result=_result(path) if state == "finished" and not study else None,
        finding=read_finding(path) if state == "finished" and study else None,
        message=said,
        phase=str(worker.get("phase") or "") if state not in OVER else "",
        age_seconds=signs.beat_age,
        where=signs.where,
        threads=int(worker.get("threads") or 0),
        trouble=str(worker.get("trouble") or "") if state == "failed" else "",
        **asked,
        **far,
    )


def _signs(path: Path, now: float) -> tuple[Signs, dict[str, Any]]:
    try:
        return read_signs(path, now)
    except (TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise RunError(
            f"What the run at {path} says of its worker is not readable: {problem!r}. Delete its "
            "launch.json and worker.json; it can then be resumed."
        ) from problem


def read_finding(path: Path) -> Finding | None:
    """What a finished study came to, in short; None before its end, and for a training."""
    return _record(Finding, read_json(path / "result.json"))


def _asked(path: Path, value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Run that its starter wrote down."""
    try:
        kind = value["kind"]
        if value["format"] != FORMAT or kind not in (*TRAININGS, SWEEP, *KINDS):
            raise RunError(f"The run at {path} was made by a newer version of sfp-viz.")
        study = study_of(value["settings"]) if kind in KINDS else None
        plan = path / "plan.json"
        return {
            "kind": kind,
            "study": study,
            "settings": Distillation() if study else Distillation(**value["settings"]),
            "name": str(value["name"]),
            "data": local_data(str(value["data"])),
            "created": float(value["created"]),
            "facts": dict(value.get("facts") or {}),
            "plan": plan_from_json(plan.read_text()) if plan.exists() else None,
        }
    except (KeyError, TypeError, ValueError, OSError) as problem:
        raise RunError(f"The settings of the run at {path} are not readable: {problem!r}.") from (
            problem
        )


def _reached(
    state: State,
    worker: Mapping[str, Any],
    total: int,
    lines: Sequence[Epoch | Point],
    *,
    at_once: bool = False,
) -> dict[str, Any]:
    """How far the run is: epochs or points that are done, of how many, and the time that is left,
    estimated from those that are done. What is made ``at_once`` keeps no lines on its way: it has
    done what its worker says, and all or nothing at the end."""
    begun = int(worker.get("step") or 0) / max(1, int(worker.get("steps") or 1))
    at_work = state in ("running", "cancelling", "pausing", "paused")
    reached = max(len(lines), int(worker.get("done") or 0) + begun if at_work else 0)
    left = None
    if state == "running" and lines and total:
        left = max(0.0, total - reached) * sum(line.seconds for line in lines) / len(lines)
    share = 1.0 if state == "finished" else min(1.0, reached / total) if total else 0.0
    done = len(lines)
    if at_once:
        done = total if state == "finished" else int(reached)
    return {"done": done, "total": total, "progress": share, "seconds_left": left}


def list_runs(home: Path, kind: str | tuple[str, ...] | None = None) -> tuple[Run, ...]:
    """All readable runs of the workspace, or those of a kind ('finetune', 'sensitivity' ...) or
    of several (such as TRAININGS), the newest first."""
    kinds = (kind,) if isinstance(kind, str) else kind
    runs = []
    for path in (home / "runs").glob("*/settings.json"):
        if path.parent.name.startswith("."):
            continue
        if kinds is not None and (read_json(path) or {}).get("kind") not in kinds:
            continue
        try:
            runs.append(read_run(path.parent))
        except SfpError:
            continue  # a folder that is being deleted, or is not ours
    return tuple(sorted(runs, key=lambda run: (run.created, run.id), reverse=True))


def find_run(home: Path, name: str) -> Path:
    """The folder of the run called ``name``: its id, the start of it, or a path to it."""
    if (Path(name) / "settings.json").is_file():
        return Path(name)
    known = [p.parent for p in (home / "runs").glob("*/settings.json")]
    known = [p for p in known if not p.name.startswith(".")]
    found = [p for p in known if p.name == name] or [p for p in known if p.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    many = f"{len(found)} runs begin with '{name}'" if found else f"No run is called '{name}'"
    listed = ", ".join(sorted(p.name for p in found or known)[-5:]) or "none yet"
    raise RunError(f"{many} in {home / 'runs'}. Known: {listed}. See 'sfp-viz runs list'.")


def _result(path: Path) -> Result | None:
    value = read_json(path / "result.json")
    if value and isinstance(value.get("interval"), list):
        value["interval"] = tuple(value["interval"])
    return _record(Result, value)


def _record(kind: Any, value: dict[str, Any] | None) -> Any:
    if value is None:
        return None
    try:
        return kind(**{f.name: value[f.name] for f in fields(kind)})
    except KeyError:
        return None


def outside_runs(home: Path) -> tuple[str, ...]:
    """Folders of runs outside of the workspace that were put in its line."""
    return tuple((read_json(home / "queue" / "outside.json") or {}).get("paths", ()))


def workspace_of(path: Path) -> Path:
    """The workspace that the run in ``path`` belongs to: the one it lies in, or the usual one where
    it lies in none, or was put in line from another."""
    path, usual = path.absolute(), folder.home()
    inside = path.parent.name == "runs" and str(path) not in outside_runs(usual)
    return path.parent.parent if inside else usual
