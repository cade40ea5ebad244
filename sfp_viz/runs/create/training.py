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
    """Create the folder of a fine-tuning, with everything that its worker needs, and return it.

    Args:
        home: The workspace.
        start: A file of the network to train; it is copied.
        teacher: A file of the unpruned network; None without a teacher.
        settings: The training.
        data: The images, by name or path.
        name: What the run is called.
        plan: The plan by which the network was pruned.
        facts: What the starter knows, see ``training_facts``.
        folder: Where the run lies, if not in the workspace.

    Raises:
        RunError: There is such a folder already, or a file is missing.
    """
    files: dict[str, Path | str] = {"start.safetensors": start}
    if teacher is not None:
        files["teacher.safetensors"] = teacher
    if plan is not None:
        files["plan.json"] = plan_to_json(plan)
    entry = {"kind": TRAINING, "name": name, "data": data, "settings": asdict(settings)}
    return create_folder(folder or free_folder(home, name), {**entry, "facts": facts or {}}, files)
