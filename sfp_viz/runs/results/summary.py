"""Finished trainings in short, quick for hundreds of them: an index kept in the workspace.

The index is only a memory of what was read: each entry carries the stamps of the files it was
read from, so a run that is deleted, added or changed is seen by looking at the folders, without
opening the files of the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sfp_viz.core.plan.recipe import name_of
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.files import read_json, write_text
from sfp_viz.runs.folder import TRAINING, TRAININGS, read_run
from sfp_viz.runs.storage.layout import RunSettings
from sfp_viz.runs.storage.records import Result, Run
from sfp_viz.runs.storage.steps import final_network_epochs

INDEX = "finished.json"  # in the workspace's cache
_FORMAT = 6
_FILES = ("settings.json", "result.json", "epochs.jsonl", "plan.json", "worker.json")
_MACHINE = ("host", "device", "threads", "torch", "memory_format", "processes")
_Stamp = list[list[int]]


@dataclass(frozen=True)
class Summary:
    """A finished training in short.

    ``accuracy`` 0..1 of the last epoch was measured on ``images`` test images, with its 95 %
    ``interval``; ``best`` is that of ``best_epoch``, chosen on the same test images, so it reads
    a little high; for a run in steps it is one of the last stage, whose MACs these are.
    ``one_shot`` (None for a run that trained before or between its cuts) and ``whole_accuracy``
    (the unpruned network's; None without a teacher) were measured too. MACs and params are
    counted. ``seconds`` of training; ``created`` and ``ended`` in seconds since 1970.
    ``pruned_by`` is what chose the filters ('plan', 'uniform', 'random' ...), ``recipe`` and
    ``plan`` name it, and ``repair`` is the compensation before training, as a recipe says it
    (each '' if not known). ``facts``, ``settings`` and ``machine`` are as the starter and the
    worker wrote them down.
    """

    id: str
    path: Path
    kind: str
    name: str
    data: str
    created: float
    digest: str
    pruned_by: str
    recipe: str
    plan: str
    repair: str
    epochs: int
    accuracy: float
    interval: tuple[float, float]
    images: int
    one_shot: float | None
    whole_accuracy: float | None
    macs: int
    params: int
    best: float
    best_epoch: int
    seconds: float
    ended: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


def finished_runs(home: Path, digest: str | None = None) -> tuple[Summary, ...]:
    """The finished trainings of a workspace, the newest first. Unreadable folders are left out.

    Args:
        home: The workspace.
        digest: Only runs of these weights.
    """
    index = home / "cache" / INDEX
    cached = _read(index)
    current: dict[str, Any] = {}
    for folder in _folders(home):
        stamp = _stamp(folder)
        if stamp is None:
            continue
        entry = cached.get(folder.name)
        same = isinstance(entry, dict) and entry.get("stamp") == stamp
        current[folder.name] = entry if same else {"stamp": stamp, "summary": _summed(folder)}
    if current != cached:
        with suppress(OSError):  # a full disk, or a workspace that may not be written
            index.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"format": _FORMAT, "runs": current})
            write_text(index, text, durable=False)
    summaries = [
        _summary(home / "runs" / name, entry["summary"]) for name, entry in current.items()
    ]
    matching = [run for run in summaries if run and digest in (None, run.digest)]
    return tuple(sorted(matching, key=lambda run: (run.created, run.id), reverse=True))


def settings_of(run: Summary) -> Distillation:
    """The settings of a finished run's training."""
    return Distillation(**run.settings)


def unfinished_runs(home: Path) -> tuple[Path, ...]:
    """The folders of runs without a result, by name: those that may be at work, and those that
    stopped. Looks at the folders alone; a page that shows what is going need read no others."""
    return tuple(
        folder for folder in _folders(home)
        if not (folder / "result.json").exists() and (folder / "settings.json").exists()
    )  # fmt: skip


def _folders(home: Path) -> list[Path]:
    try:
        with os.scandir(home / "runs") as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    except OSError:
        return []
    return [home / "runs" / name for name in names]


def _stamp(folder: Path) -> _Stamp | None:
    """Time, size and number of each file that a summary depends on; None for an unfinished run."""
    stamps = []
    for name in _FILES:
        try:
            status = os.stat(f"{folder}/{name}")
            stamps.append([status.st_mtime_ns, status.st_size, status.st_ino])
        except OSError:
            if name in _FILES[:2]:
                return None
            stamps.append([])
    return stamps


def _read(index: Path) -> dict[str, Any]:
    value = read_json(index) or {}
    runs = value.get("runs") if value.get("format") == _FORMAT else None
    return runs if isinstance(runs, dict) else {}


def _summed(folder: Path) -> dict[str, Any] | None:
    """A run's summary as JSON; None for a study, and for what cannot be read."""
    try:
        if RunSettings.load(folder).kind not in TRAININGS:
            return None
        run = read_run(folder)
        return _of(run, run.result) if run.result is not None else None
    except (SfpError, TypeError, ValueError):
        return None


def _of(run: Run, result: Result) -> dict[str, Any]:
    """TypeError or ValueError where the result's numbers are none."""
    facts = run.facts
    low, high = (_share(end) for end in result.interval)
    best = max(final_network_epochs(run), key=lambda epoch: epoch.test_accuracy, default=None)
    worker = run.worker.to_json()
    plan, unpruned_accuracy = run.plan, result.teacher_accuracy
    first = result.one_shot if run.kind == TRAINING else None
    return {
        "kind": run.kind, "name": run.name, "data": run.data, "created": run.created,
        "digest": str(facts.get("digest") or (plan.digest if plan else "")),
        "pruned_by": str(facts.get("kind") or ""),
        "recipe": str(facts.get("recipe") or (plan and name_of(plan.recipe)) or ""),
        "plan": plan.hash if plan else str(facts.get("plan") or ""),
        "repair": plan.recipe.compensation if plan else "",
        "epochs": run.total or len(run.epochs),
        "accuracy": _share(result.accuracy), "interval": [low, high],
        "images": int(result.images), "one_shot": None if first is None else _share(first),
        "whole_accuracy": None if unpruned_accuracy is None else _share(unpruned_accuracy),
        "macs": int(result.macs), "params": int(result.params),
        "best": best.test_accuracy if best else result.accuracy,
        "best_epoch": best.epoch if best else run.total,
        "seconds": float(result.seconds), "ended": float(result.ended),
        "facts": dict(facts), "settings": asdict(run.settings),
        "machine": {name: worker[name] for name in _MACHINE if name in worker},
    }  # fmt: skip


def _share(value: Any) -> float:
    """A share 0..1; ValueError for any other number."""
    if not 0 <= float(value) <= 1:
        raise ValueError(value)
    return float(value)


_NAMES = {f.name for f in fields(Summary)} - {"id", "path"}


def _summary(folder: Path, value: Any) -> Summary | None:
    if not isinstance(value, dict) or set(value) != _NAMES:
        return None
    return Summary(id=folder.name, path=folder, **{**value, "interval": tuple(value["interval"])})
