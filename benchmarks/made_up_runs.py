"""A workspace full of finished runs, for measuring how the app copes with many of them.

The folders are as a worker leaves them: settings, plan, 20 epochs, result, machine, log, and the
networks (links to one file). Their accuracies are drawn, so they say nothing of any method.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import asdict, replace
from pathlib import Path

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.plan import Plan, plan_json
from sfp_viz.core.plan.recipe import fpgm, group_magnitude, uniform_l1
from sfp_viz.core.plan.recipe import random as at_random
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.core.training.distillation import Distillation, Epoch, wilson
from sfp_viz.nets.io.samples import sample_network, sample_path
from sfp_viz.runs.storage.records import Before, Result

MODEL = "resnet20_cifar10"
RECIPES = {
    "group_magnitude": group_magnitude, "fpgm": fpgm, "uniform_l1": uniform_l1, "random": at_random,
}  # fmt: skip
TARGETS = (0.2, 0.35, 0.5, 0.65)
NETWORKS = ("start", "teacher", "student", "checkpoint-1", "checkpoint-2")
EPOCHS, IMAGES = 20, 10_000


def make(home: Path, count: int, *, data: str = "cifar10") -> None:
    """Lay out ``count`` finished runs of the sample ResNet-20: recipes x targets x seeds."""
    source = random.Random(0)
    network = sample_network(MODEL)
    plans = {
        (name, target): make_plan(network, analyze(network, recipe), recipe)
        for name, named in RECIPES.items()
        for target in TARGETS
        for recipe in [named(target)]
    }
    (home / "runs").mkdir(parents=True)
    places = [*plans]
    for number in range(count):
        name, target = places[number % len(places)]
        folder = home / "runs" / f"20260101-{number:06d}-resnet20"
        folder.mkdir()
        seed = number // len(places)
        _write(folder, plans[name, target], name, target, seed, data, source)


def _write(
    folder: Path, plan: Plan, name: str, target: float, seed: int, data: str, source: random.Random
) -> None:
    network = sample_network(MODEL)
    before, after = cost(network), cost(network, plan)
    settings = Distillation(epochs=EPOCHS, seed=seed)
    kind = {"uniform_l1": "uniform", "random": "random"}.get(name, "plan")
    facts = {
        "digest": network.digest, "model": MODEL, "kind": kind, "plan": plan.hash, "recipe": name,
        "target_reduction": target, "seed": seed, "macs_before": before.macs, "macs": after.macs,
        "params_before": before.params,
    }  # fmt: skip
    created = time.time() - 60 * source.randrange(100_000)
    value = {
        "format": 1, "created": created, "kind": "finetune", "name": "resnet20", "data": data,
        "settings": asdict(settings), "facts": facts,
    }  # fmt: skip
    end = 0.92 - 0.12 * target**2 - source.uniform(0, 0.02)
    accuracies = [round(end - 0.2 / (n + 1) ** 2, 4) for n in range(EPOCHS)]
    epochs = [
        asdict(replace(_EPOCH, epoch=n + 1, test_accuracy=right))
        for n, right in enumerate(accuracies)
    ]
    last = accuracies[-1]
    result = Result(
        last, wilson(round(last * IMAGES), IMAGES), IMAGES, 0.3, after.macs, after.params, 0.917,
        900.0, created, created + 900,
    )  # fmt: skip
    started = Before(0.3, 0.917, IMAGES, after.macs, after.params, created)
    machine = {
        "format": 1, "attempt": 1, "pid": 1, "host": "made-up", "threads": 2, "torch": "made up",
        "device": "cpu", "memory_format": "channels_last", "outcome": "finished", "time": created,
    }  # fmt: skip
    (folder / "plan.json").write_text(plan_json(plan))
    (folder / "epochs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in epochs))
    (folder / "log.txt").write_text("")
    launch = {"attempt": 1, "pid": 1, "host": "made-up", "time": created}
    for file, content in (
        ("settings", value), ("before", asdict(started)), ("worker", machine), ("launch", launch),
        ("result", asdict(result)),
    ):  # fmt: skip
        (folder / f"{file}.json").write_text(json.dumps(content, indent=1))
    first = folder.parent / "network.safetensors"
    if not first.exists():
        first.write_bytes(sample_path(MODEL).read_bytes())
    for part in NETWORKS:
        os.link(first, folder / f"{part}.safetensors")


_EPOCH = Epoch(1, EPOCHS, 0.4, 0.93, 0.9, IMAGES, 2.0, 0.01, 2500.0, 45.0)
