"""Start a study: lay out the folder of a run that measures instead of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sfp_viz.core.evidence.evidence import check_evidence, needs
from sfp_viz.core.evidence.study import Kind, Study, study_to_dict
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.runs.create.network_file import network_identity
from sfp_viz.runs.results.evidence import FILES, Source, find_sources, read_evidence
from sfp_viz.runs.storage.layout import create_folder, free_folder


def create_study(
    home: Path,
    *,
    kind: Kind,
    model_file: Path,
    recipe: Recipe,
    data: str,
    settings: Study | None = None,
    edits: Edits | None = None,
    facts: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Path:
    """Create the folder of a study and return it; ``process.launch`` starts it.

    The folder holds everything that its worker needs, including the evidence of the workspace.

    Args:
        home: The workspace.
        kind: What is measured.
        model_file: The network, written by ``save_model``.
        recipe: The recipe whose plans are measured.
        data: The images, by name or path; '' for a latency.
        settings: How much is measured; its kind, recipe and edits are those named here.
        edits: Manual edits of the plans.
        facts: More of what the starter knows.
        folder: Where the run lies, if not in the workspace.

    Raises:
        RecipeError: The recipe needs evidence that is not there.
        RunError: The folder cannot be made.
    """
    digest, name = network_identity(model_file)
    study = replace(settings or Study(kind), kind=kind, recipe=recipe, edits=edits)
    files: dict[str, Path | str] = {"start.safetensors": model_file}
    for source in _given(home, study, digest):
        files[f"evidence/{FILES[source.kind][1]}"] = source.file
    entry = {"kind": kind, "name": name, "data": data, "settings": study_to_dict(study)}
    all_facts = {**(facts or {}), "digest": digest}
    target = folder or free_folder(home, f"{kind} {name}")
    return create_folder(target, {**entry, "facts": all_facts}, files)


def single_group_recipe(recipe: Recipe) -> Recipe:
    """``recipe`` for one group alone, whose width is given: how many filters go is not asked."""
    return replace(recipe, allocation="uniform", goal="macs", dispersion="nearest")


def _given(home: Path, study: Study, digest: str) -> tuple[Source, ...]:
    """The evidence that a study takes along. A trust study also compares what it does not need."""
    if study.kind not in ("sensitivity", "trust"):
        return ()
    recipe = single_group_recipe(study.recipe) if study.kind == "sensitivity" else study.recipe
    sources = tuple(s for s in find_sources(home, digest) if s.kind != "trust")
    required = needs(recipe)
    if not set(required) <= {FILES[source.kind][0] for source in sources}:
        check_evidence(recipe, read_evidence(sources), digest)  # raises
    return tuple(s for s in sources if FILES[s.kind][0] in required or study.kind == "trust")
