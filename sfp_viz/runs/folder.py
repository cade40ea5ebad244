"""The folder of a run: what lies in it, read into a Run. Nothing here writes while a run works.

``settings.json``, ``plan.json``, ``teacher.safetensors``, ``start.safetensors``, ``launch.json``
and ``request`` are written by those who start and stop runs; ``worker.json``, ``before.json``,
``epochs.jsonl``, ``checkpoint.safetensors``, ``student.safetensors``, ``result.json`` and
``log.txt`` by the worker. One writer a file, so no locks are needed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sfp_viz.core.plan import Plan, plan_from_json, plan_json
from sfp_viz.core.training import Distillation, Epoch
from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs.alive import here, is_alive
from sfp_viz.runs.files import read_json, write_json
from sfp_viz.runs.records import Before, Result, Run
from sfp_viz.runs.state import OVER, Process, Signs, State, state_of

FORMAT = 1
WORKER = "sfp_viz.runs.worker"


def home() -> Path:
    """The workspace: ``SFP_VIZ_HOME``, or ``.sfp_viz`` in the current folder."""
    return Path(os.environ.get("SFP_VIZ_HOME") or ".sfp_viz").expanduser().absolute()


def create_run(
    home: Path,
    *,
    start: Path,
    teacher: Path | None,
    settings: Distillation,
    data: str,
    name: str,
    plan: Plan | None = None,
    facts: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Path:
    """Lay out a folder with everything a worker needs, and return it; it appears at once.

    ``start`` is the network to train, ``teacher`` the unpruned one: safetensors files, which are
    copied. ``folder`` puts the run elsewhere than ``home/runs``. Raises RunError when the folder
    is there already, or a file is missing.
    """
    target = folder or _free(home / "runs", name)
    if target.exists():
        raise RunError(f"There is a run at {target} already. Choose another name, or delete it.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=".new-"))
        try:
            shutil.copyfile(start, fresh / "start.safetensors")
            if teacher is not None:
                shutil.copyfile(teacher, fresh / "teacher.safetensors")
            if plan is not None:
                (fresh / "plan.json").write_text(plan_json(plan))
            value = {"format": FORMAT, "kind": "finetune", "name": name, "data": _anywhere(data)}
            value |= {"created": time.time(), "settings": asdict(settings), "facts": facts or {}}
            write_json(fresh / "settings.json", value)
            fresh.chmod(0o755)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as problem:
        raise RunError(f"The run cannot be laid out at {target}: {problem}.") from problem
    return target


def read_run(path: Path, now: float | None = None) -> Run:
    """Read a run's folder; ``now`` in seconds since 1970. Raises RunError if it is none."""
    value = read_json(path / "settings.json")
    if value is None:
        raise RunError(f"There is no run at {path}: its settings.json is missing or unreadable.")
    try:
        if value["format"] != FORMAT or value["kind"] != "finetune":
            raise RunError(f"The run at {path} was made by a newer version of sfp-viz.")
        settings = Distillation(**value["settings"])
        name, data, created = str(value["name"]), str(value["data"]), float(value["created"])
        facts = dict(value.get("facts") or {})
        plan_file = path / "plan.json"
        plan = plan_from_json(plan_file.read_text()) if plan_file.exists() else None
    except (KeyError, TypeError, ValueError, OSError) as problem:
        raise RunError(f"The settings of the run at {path} are not readable: {problem!r}.") from (
            problem
        )
    now = time.time() if now is None else now
    signs, worker = read_signs(path, now)
    state, epochs = state_of(signs), read_epochs(path)
    begun = int(worker.get("step") or 0) / max(1, int(worker.get("steps") or 1))
    at_work = state in ("running", "cancelling")
    reached = max(len(epochs), int(worker.get("done") or 0) + begun if at_work else 0)
    return Run(
        id=path.name,
        path=path,
        name=name,
        state=state,
        settings=settings,
        data=data,
        plan=plan,
        epochs=epochs,
        before=_record(Before, read_json(path / "before.json")),
        result=_result(path) if state == "finished" else None,
        message=_message(state, worker, signs),
        phase=str(worker.get("phase") or "") if state not in OVER else "",
        progress=min(1.0, reached / settings.epochs),
        age_seconds=signs.beat_age,
        created=created,
        threads=int(worker.get("threads") or 0),
        facts=facts,
    )


def list_runs(home: Path) -> tuple[Run, ...]:
    """All readable runs of the workspace, the newest first."""
    runs = []
    for path in (home / "runs").glob("*/settings.json"):
        if path.parent.name.startswith("."):
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


def read_epochs(path: Path) -> tuple[Epoch, ...]:
    """The history; what was half written when the worker died is left out."""
    try:
        lines = (path / "epochs.jsonl").read_bytes().splitlines(keepends=True)
    except OSError:
        return ()
    epochs: list[Epoch] = []
    for line in lines:
        try:
            epoch = Epoch(**json.loads(line)) if line.endswith(b"\n") else None
        except (ValueError, TypeError):
            break
        if epoch is None or epoch.epoch != len(epochs) + 1:
            break
        epochs.append(epoch)
    return tuple(epochs)


def read_signs(path: Path, now: float) -> tuple[Signs, dict[str, Any]]:
    """What the folder shows now, and the content of worker.json ({} without one)."""
    # Processes are looked at first, files after: a worker that ends between the two has then
    # written its outcome, and is not taken for a lost one. A worker that starts between the two
    # is looked at again.
    launch, worker = read_json(path / "launch.json"), read_json(path / "worker.json")
    for _ in range(5):
        seen = _who(launch), _who(worker)
        launched_process, worker_process = _process(launch, path), _process(worker, path)
        launch, worker = read_json(path / "launch.json"), read_json(path / "worker.json")
        if seen == (_who(launch), _who(worker)):
            break
    signs = Signs(
        finished=(path / "result.json").exists(),
        attempt=int((launch or {}).get("attempt", 0)),
        worker_attempt=int((worker or {}).get("attempt", 0)) if worker else -1,
        launched=launched_process,
        worker=worker_process,
        launch_age=max(0.0, now - float((launch or {}).get("time", 0))),
        beat_age=max(0.0, now - float(worker["time"])) if worker else 0.0,
        outcome=str((worker or {}).get("outcome", "")),
        cancel=(path / "request").exists(),
    )
    return signs, worker or {}


def _who(value: dict[str, Any] | None) -> tuple[Any, Any]:
    return (value or {}).get("attempt"), (value or {}).get("pid")


def _process(value: dict[str, Any] | None, path: Path) -> Process:
    if not value or not value.get("pid") or value.get("host") != here():
        return "unknown"
    if value.get("outcome"):
        return "gone"  # it said so itself: no need to look
    return "alive" if is_alive(int(value["pid"]), WORKER, path) else "gone"


def _message(state: State, worker: Mapping[str, Any], signs: Signs) -> str:
    if state == "failed":
        return str(worker.get("message") or "The worker failed. The details are in log.txt.")
    if state == "lost":
        if signs.worker_attempt < signs.attempt:
            return "The worker did not start. log.txt may say why. Resume starts it again."
        return (
            "The worker died, or was killed, before it could say why. "
            "Resume goes on from the last checkpoint."
        )
    return str(worker.get("message") or "") if state == "running" else ""


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


def _anywhere(data: str) -> str:
    """A file or folder of images by its full path: the worker may start in another folder."""
    from sfp_viz.nets.data import NAMES

    path = Path(data).expanduser()
    return str(path.absolute()) if data and data not in NAMES and path.exists() else data


def _free(runs: Path, name: str) -> Path:
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    numbers = ["", *(f"-{n}" for n in range(2, 1000))]
    return next(p for n in numbers if not (p := runs / f"{stamp}-{word}{n}").exists())
