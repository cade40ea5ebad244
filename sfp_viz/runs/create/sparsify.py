"""Create the folder of a run that trains a network sparse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import SparseSettings
from sfp_viz.errors import RunError
from sfp_viz.runs.create.network_file import network_identity
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.layout import create_folder, free_folder
from sfp_viz.runs.storage.sparsify import KIND, REQUEST_FILE, SparsifyRequest, _text


def create_sparsify(
    home: Path,
    *,
    model_file: Path,
    settings: SparseSettings,
    tuning: Distillation | None,
    data: str,
    name: str = "",
    facts: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Path:
    """Create the folder of a sparse training and return it; ``queue.enqueue`` starts it.

    Args:
        home: The workspace.
        model_file: The unpruned network, written by ``save_model``. It is trained sparse, and it is
            the teacher of the fine-tuning.
        settings: The sparse training.
        tuning: The fine-tuning after it; None for none.
        data: The images, by name or path.
        name: What the run is called; by default the name of the network.
        facts: More of what the starter knows, over ``training_facts``.
        folder: Where the run lies, if not in the workspace.

    Raises:
        RunError: The folder cannot be made, or the fine-tuning asks for several processes.
    """
    digest, network_name = network_identity(model_file)
    if tuning is not None and tuning.processes > 1:
        raise RunError("Pruning while training works in one process. Set processes to 1.")
    files: dict[str, Path | str] = {
        "start.safetensors": model_file,
        REQUEST_FILE: _text(SparsifyRequest(settings, tuning is not None)),
    }
    name = name or network_name
    all_facts = {
        **training_facts(digest=digest, recipe=None, name=settings.method),
        "target_reduction": settings.target_reduction,
        **(facts or {}),
    }
    tuning_values = asdict(tuning or _untuned(settings))
    entry = {
        "kind": KIND,
        "name": name,
        "data": data,
        "settings": tuning_values,
        "facts": all_facts,
    }
    return create_folder(folder or free_folder(home, f"sparsify {name}"), entry, files)


def _untuned(settings: SparseSettings) -> Distillation:
    """Settings to stand where no fine-tuning was asked for: they carry the images alone."""
    return Distillation(
        epochs=1,
        batch_size=settings.batch_size,
        augmentation=settings.augmentation,
        train_images=settings.train_images,
        test_images=settings.test_images,
        seed=settings.seed,
    )
