"""Create the folder of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfp_viz.core.plan.plan import Plan, plan_to_json
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.storage.layout import create_folder, free_folder


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
    """Lay out a training's folder with everything a worker needs, and return it.

    ``start`` is the network to train, ``teacher`` the unpruned one: safetensors files, which are
    copied. ``folder`` puts the run elsewhere than ``home/runs``. Raises RunError when the folder
    is there already, or a file is missing.
    """
    files: dict[str, Path | str] = {"start.safetensors": start}
    if teacher is not None:
        files["teacher.safetensors"] = teacher
    if plan is not None:
        files["plan.json"] = plan_to_json(plan)
    entry = {"kind": TRAINING, "name": name, "data": data, "settings": asdict(settings)}
    return create_folder(folder or free_folder(home, name), {**entry, "facts": facts or {}}, files)
