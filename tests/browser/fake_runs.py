"""Runs made up for browser tests: folders as a worker leaves them, without the training."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.files import write_json
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.create.training import create_run

NETWORK = Path(__file__).parents[2] / "sample_models" / "lenet5_digits.safetensors"
NAME = "lenet5_digits"


def trained(home: Path, name: str, accuracies: list[float], *, kind: str = "plan", **more) -> str:
    """A finished run with these test accuracies 0..1; its id. ``more`` are its settings."""
    settings = Distillation(epochs=len(accuracies), **more)
    path = _laid(home, name, settings, kind)
    _history(path, settings, accuracies)
    last = accuracies[-1]
    write_json(path / "result.json", {
        "accuracy": last, "interval": [last - 0.02, last + 0.02], "images": 360, "one_shot": 0.5,
        "macs": 80_000, "params": 10_000, "teacher_accuracy": 0.98, "seconds": 1.0,
        "started": 1.0, "ended": 2.0,
    })  # fmt: skip
    return path.name


def stopped(home: Path, name: str, **worker) -> str:
    """A run whose worker ended, with ``worker`` as its last words; its id."""
    settings = Distillation(epochs=9, batch_size=64)
    path = _laid(home, name, settings, "plan")
    _history(path, settings, [0.8, 0.9])
    write_json(path / "launch.json", {"attempt": 1, "host": "elsewhere", "time": 1.0})
    said = {"format": 1, "attempt": 1, "pid": 1, "host": "elsewhere", "time": 1.0, "done": 2}
    write_json(path / "worker.json", {**said, **worker})
    return path.name


def _laid(home: Path, name: str, settings: Distillation, kind: str) -> Path:
    facts = {"model": NAME, "digest": sample_network(NAME).digest, "kind": kind, "plan": name}
    return create_run(
        home, start=NETWORK, teacher=NETWORK, settings=settings, data="digits", name=name,
        facts=facts,
    )  # fmt: skip


def _history(path: Path, settings: Distillation, accuracies: list[float]) -> None:
    first = Epoch(1, settings.epochs, 1.0, 0.7, 0.0, 360, 4.0, 0.01, 5000.0, 0.3)
    epochs = [replace(first, epoch=at, test_accuracy=a) for at, a in enumerate(accuracies, 1)]
    lines = "".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs)
    (path / "epochs.jsonl").write_text(lines)
    before = {"one_shot": 0.5, "teacher_accuracy": 0.98, "images": 360, "macs": 80_000}
    write_json(path / "before.json", {**before, "params": 10_000, "started": 1.0})
