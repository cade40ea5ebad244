"""Create the folder of a run that prunes and fine-tunes in steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sfp_viz.core.selection.iterative_schedule import steps_to_dict
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.create.network_file import network_identity
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.layout import create_folder, free_folder
from sfp_viz.runs.storage.steps import KIND, REQUEST_FILE, StepsRequest


def create_steps(
    home: Path,
    *,
    model_file: Path,
    order: StepsRequest,
    settings: Distillation,
    data: str,
    name: str = "",
    facts: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Path:
    """Create the folder of a run in steps and return it; ``queue.enqueue`` starts it.

    Whether the target can be reached is checked where the network is read
    (``iterative.check_steps``).

    Args:
        home: The workspace.
        model_file: The unpruned network, written by ``save_model``. It is pruned, and it is the
            teacher.
        order: Recipe, edits and stages.
        settings: The fine-tuning of each stage; the stages decide its epochs.
        data: The images, by name or path.
        name: What the run is called; by default the name of the network.
        facts: More of what the starter knows, over ``training_facts``.
        folder: Where the run lies, if not in the workspace.

    Raises:
        RunError: The folder cannot be made, or the settings ask for several processes.
    """
    check_settings(settings)
    digest, network_name = network_identity(model_file)
    files: dict[str, Path | str] = {
        "start.safetensors": model_file,
        REQUEST_FILE: json.dumps(
            {
                "recipe": asdict(order.recipe),
                "edits": asdict(order.edits) if order.edits else None,
                "steps": steps_to_dict(order.steps),
            },
            indent=1,
        ),
    }
    values = asdict(replace(settings, epochs=order.steps.total))
    name = name or network_name
    all_facts = {
        **training_facts(digest=digest, recipe=order.recipe, edits=order.edits),
        **(facts or {}),
        "digest": digest,
        "stages": order.steps.stages,
        "growth": order.steps.growth,
    }
    entry = {"kind": KIND, "name": name, "data": data, "settings": values, "facts": all_facts}
    return create_folder(folder or free_folder(home, f"steps {name}"), entry, files)


def check_settings(settings: Distillation) -> None:
    """Raises RunError for settings of a training that a run in steps cannot have."""
    if settings.processes > 1:
        raise RunError("A run in steps trains in one process. Set processes to 1.")
