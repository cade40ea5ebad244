"""The same training again with other settings: a run of its own."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.create.steps import check_settings
from sfp_viz.runs.folder import SWEEP, read_run
from sfp_viz.runs.storage.layout import (
    RunSettings,
    create_folder,
    free_folder,
    free_name,
    input_files,
)
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import KIND as SPARSIFY
from sfp_viz.runs.storage.sparsify import REQUEST_FILE, changed_request, read_sparsify_request
from sfp_viz.runs.storage.steps import KIND as STEPS

_SHARED = ("batch_size", "learning_rate", "seed")  # by both parts of pruning while training


def copy_with(path: Path, **changes: Any) -> Path:
    """Lay out a new run of the same network, teacher, plan and images as the training in ``path``,
    its settings changed (``batch_size=32``), and return its folder; nothing is started. A copy of
    a sweep's training belongs to no sweep. Of a run that prunes while training, batches, seed and
    learning rate hold for both parts; the rate of the fine-tuning stays in proportion.

    Raises RunError for what is no training and for changes that its kind cannot take, RecipeError
    for settings that make no sense.
    """
    run = read_run(path)
    entry = RunSettings.load(path)
    if run.study or run.kind == SWEEP:
        raise RunError(f"'{run.id}' is not a training. Start a new run instead.")
    try:
        settings = replace(run.settings, **changes)
    except TypeError as problem:
        raise RunError(f"A training has no such setting: {problem}.") from problem
    if run.kind == STEPS:
        _check_steps(run, changes)
        check_settings(settings)
    files: dict[str, Path | str] = {name: path / name for name in input_files(path, entry)}
    if run.kind == SPARSIFY:
        settings = _both_parts(run, settings, changes)
        shared = {name: changes[name] for name in _SHARED if name in changes}
        files[REQUEST_FILE] = changed_request(path, **shared)
    content = {
        "kind": entry.kind,
        "name": entry.name,
        "data": entry.data,
        "settings": {**entry.settings, **asdict(settings)},
        "facts": _facts(run, changes),
    }
    home = path.parent.parent if path.parent.name == "runs" else None
    target = free_folder(home, run.name) if home else free_name(path)
    return create_folder(target, content, files)


def _both_parts(run: Run, settings: Distillation, changes: dict[str, Any]) -> Distillation:
    """Settings of the fine-tuning in a copy: its rate was a part of that of the training before
    it, and stays that part."""
    rate = changes.get("learning_rate")
    if rate is None:
        return settings
    before = read_sparsify_request(run.path).settings.learning_rate
    return replace(settings, learning_rate=run.settings.learning_rate * rate / before)


def _check_steps(run: Run, changes: dict[str, Any]) -> None:
    if changes.get("epochs", run.settings.epochs) != run.settings.epochs:
        raise RunError(
            f"The epochs of '{run.id}' are those of its stages. Start a new run in steps with the "
            "stages you want."
        )


def _facts(run: Run, changes: dict[str, Any]) -> dict[str, Any]:
    facts = {**run.facts, "copy_of": run.id}
    facts.pop("sweep", None)
    return facts | ({"seed": changes["seed"]} if "seed" in changes and "seed" in facts else {})
