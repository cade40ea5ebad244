"""Finished runs as a worker leaves them, written by hand: for tests that compare them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, plan_to_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch, Refresh
from sfp_viz.core.training.sparsification import SSR, SparseSettings
from sfp_viz.nets.io.samples import sample_network, sample_path
from sfp_viz.runs.create.sparsify import create_sparsify
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.storage.history import EPOCHS, append
from sfp_viz.runs.storage.records import Before, Result
from sfp_viz.runs.storage.sparsify import REFRESHES

MODEL = "lenet5_digits"


def plan_of(recipe: Recipe, edits: Edits | None = None, model: str = MODEL) -> Plan:
    """The plan for the sample."""
    network = sample_network(model)
    return make_plan(network, analyze(network, recipe), recipe, edits)


def finished_run(
    home: Path,
    *,
    kind: str = "plan",
    plan: Plan | None = None,
    accuracies: tuple[float, ...] = (0.92, 0.97, 0.95),
    macs: int = 80_000,
    params: int = 11_000,
    images: int = 360,
    data: str = "digits",
    whole: float | None = 0.986,
    settings: Distillation | None = None,
    model: str = MODEL,
    **facts: Any,
) -> Path:
    """A finished run of the sample, with one epoch for each of ``accuracies`` (measured)."""
    network = sample_network(model)
    known = {"digest": network.digest, "model": model, "kind": kind, "macs_before": 168_000}
    path = create_run(
        home, start=sample_path(model), teacher=sample_path(model), data=data, plan=plan,
        settings=settings or Distillation(epochs=len(accuracies)), name=f"lenet {kind}",
        facts={**known, **facts},
    )  # fmt: skip
    count = len(accuracies)
    lines = [
        asdict(Epoch(n + 1, count, 0.5, 0.9, right, images, 2.0, 0.01, 900.0, 1.5))
        for n, right in enumerate(accuracies)
    ]
    (path / "epochs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = Before(0.5, whole, images, macs, params, 1.0)
    (path / "before.json").write_text(json.dumps(asdict(before)))
    machine = {"host": "here", "threads": 2, "torch": "2.15", "device": "cpu", "time": 4.0}
    (path / "worker.json").write_text(json.dumps({**machine, "outcome": "finished"}))
    interval = wilson(round(accuracies[-1] * images), images)
    result = Result(
        accuracies[-1], interval, images, 0.5, macs, params, whole, 1.5 * count, 1.0, 4.0
    )
    (path / "student.safetensors").write_bytes(sample_path(model).read_bytes())
    (path / "result.json").write_text(json.dumps(asdict(result)))
    return path


def sparsified_run(
    home: Path,
    *,
    before: int = 8,
    accuracies: tuple[float, ...] = (0.97, 0.95),
    settings: SparseSettings | None = None,
    tuning: Distillation | None = None,
) -> Path:
    """A finished run of the sample that pruned while training for ``before`` epochs, then was
    fine-tuned for one epoch for each of ``accuracies`` (measured)."""
    count = len(accuracies)
    path = create_sparsify(
        home, model_file=sample_path(MODEL), data="digits",
        settings=settings or SSR(epochs=before),
        tuning=(tuning or Distillation(epochs=count)) if count else None,
        facts={"model": MODEL, "macs_before": 168_000},
    )  # fmt: skip
    append(path / REFRESHES, Refresh(
        8, 8, before, before, "settling", 0.5, (), (), (), (), 80_000, 11_000, 5_000, 1.0, 0.01,
        900.0, 0.5,
    ))  # fmt: skip
    for n, right in enumerate(accuracies):
        append(path / EPOCHS, Epoch(n + 1, count, 0.5, 0.9, right, 360, 2.0, 0.01, 900.0, 1.5))
    (path / "plan.json").write_text(plan_to_json(plan_of(Recipe(target_reduction=0.4))))
    last = accuracies[-1] if accuracies else 0.8
    (path / "before.json").write_text(
        json.dumps(asdict(Before(0.8, 0.986, 360, 80_000, 11_000, 1)))
    )
    result = Result(last, (0.7, 0.98), 360, 0.8, 80_000, 11_000, 0.986, 9.0, 1.0, 4.0)
    (path / "result.json").write_text(json.dumps(asdict(result)))
    return path
