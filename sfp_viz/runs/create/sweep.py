"""Create the folder of a sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfp_viz.core.evidence.evidence import check_evidence, needs
from sfp_viz.core.plan.sweep import Sweep, sweep_to_dict
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.runs.create.network_file import network_identity
from sfp_viz.runs.folder import SWEEP
from sfp_viz.runs.results.evidence import FILES, find_sources, read_evidence
from sfp_viz.runs.results.sweeps import REQUEST_FILE
from sfp_viz.runs.storage.layout import create_folder, free_folder


def create_sweep(
    home: Path,
    *,
    model_file: Path,
    sweep: Sweep,
    settings: Distillation,
    data: str,
    locks: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Create the folder of a sweep and return it; ``process.launch`` starts it.

    Measurements that recipes need (sensitivity, latency) are copied from the workspace; its worker
    calibrates on images where they need that.

    Args:
        home: The workspace.
        model_file: The unpruned network, written by ``save_model``. It is pruned for each member,
            and it is their teacher.
        sweep: Targets, recipes and seeds.
        settings: The fine-tuning of each member, with the member's seed.
        data: The images, by name or path.
        locks: Groups that keep all filters in every member.
        facts: More of what the starter knows.

    Raises:
        RecipeError: A measurement is missing.
        RunError: The folder cannot be made.
    """
    digest, name = network_identity(model_file)
    files: dict[str, Path | str] = {
        "start.safetensors": model_file,
        REQUEST_FILE: json.dumps({**sweep_to_dict(sweep), "locks": list(locks)}, indent=1),
        **_measured(home, sweep, digest),
    }
    all_facts = {**(facts or {}), "digest": digest, "members": len(sweep)}
    entry = {"kind": SWEEP, "name": name, "data": data, "settings": asdict(settings)}
    return create_folder(free_folder(home, f"sweep {name}"), {**entry, "facts": all_facts}, files)


def _measured(home: Path, sweep: Sweep, digest: str) -> dict[str, Path | str]:
    """The measurements that recipes of the sweep need, by their names in its folder."""
    required = {name for _, recipe in sweep.recipes for name in needs(recipe)} - {"observations"}
    sources = tuple(s for s in find_sources(home, digest) if FILES[s.kind][0] in required)
    if required - {FILES[source.kind][0] for source in sources}:
        for _, recipe in sweep.recipes:
            if set(needs(recipe)) - {"observations"}:
                check_evidence(recipe, read_evidence(sources), digest)  # raises
    return {f"evidence/{FILES[source.kind][1]}": source.file for source in sources}
