"""Accuracy at equal MACs: every method on the same networks, images, budget and seeds.

    python benchmarks/accuracy_at_cost.py [--network NAME ...] [--target 0.5 ...] [--method ...]
    python benchmarks/accuracy_at_cost.py --summary [--json]

One JSON line a result in docs/results/accuracy_at_cost.jsonl; what is there already is skipped, so
a stopped benchmark goes on. `--summary` makes docs/results/accuracy_at_cost.{md,svg} of it.
All methods leave the same layers whole, re-estimate BatchNorm on the same images, and are
fine-tuned with the same settings and seeds. Torch-Pruning is run by itself, not by our code.
Needs SFP_VIZ_DATA with CIFAR-10 and the published checkpoints.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import accuracy_table
from contenders import contender

import sfp_viz as sfp
from sfp_viz.core.training import Distillation
from sfp_viz.nets.data import load_data
from sfp_viz.nets.distill import Training
from sfp_viz.nets.measure import count_macs, measure_accuracy
from sfp_viz.nets.model import Model
from sfp_viz.nets.reading import read_network

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "accuracy_at_cost.jsonl"
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
TIER_A = Distillation(
    epochs=5, train_images=10_000, learning_rate=0.02, batch_size=128, precision="bf16-mixed"
)
METHODS = ("uniform_l1", "fpgm", "tp_group_local", "tp_group_global", "paper_sfp", "default")


def opened(network: str) -> Model:
    if network in CHECKPOINTS:
        folder = Path(os.environ["SFP_VIZ_DATA"]) / "checkpoints"
        return sfp.load_model(str(folder / CHECKPOINTS[network]))
    return sfp.load_model(network)


def measure(network: str, target: float, method: str, seed: int, *, train_for: int) -> dict:
    """Prune, measure, fine-tune, measure: one line of the results."""
    started = time.perf_counter()
    model = opened(network)
    train, test = load_data(model.data, "train"), load_data(model.data, "test")
    base = measure_accuracy(model, test).accuracy
    pruned = contender(method, target, seed)(model, read_network(model), train)
    settings = replace(TIER_A, seed=seed, epochs=max(1, train_for))
    one_shot = measure_accuracy(pruned, test)
    history = []
    if train_for:
        training = Training(pruned, teacher=model, train=train, test=test, settings=settings)
        for _ in range(settings.epochs):
            epoch = training.epoch()
            history.append(epoch.test_accuracy if epoch else None)
    macs = count_macs(pruned)
    return {
        "network": network,
        "method": method,
        "target": target,
        "seed": seed,
        "macs": macs,
        "reduction": round(1 - macs / count_macs(model), 5),
        "base": base,
        "one_shot": one_shot.accuracy,
        "history": history,
        "final": history[-1] if history else None,
        "n_test": len(test),
        "epochs": train_for,
        "train_images": settings.train_images,
        "learning_rate": settings.learning_rate,
        "tier": "A" if network == "resnet20" else "B",
        "seconds": round(time.perf_counter() - started, 1),
    }


def done() -> list[dict]:
    """The lines of the results; a half-written last one is left out."""
    if not RESULTS.exists():
        return []
    lines = RESULTS.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def go_on(options: argparse.Namespace) -> None:
    """Measure what is asked for and not there yet, seed by seed."""
    there = {(r["network"], r["target"], r["method"], r["seed"], r["epochs"]) for r in done()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for seed in options.seed:
        for network in options.network:
            for target in options.target:
                for method in options.method:
                    if (network, target, method, seed, options.epochs) in there:
                        continue
                    row = measure(network, target, method, seed, train_for=options.epochs)
                    with RESULTS.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--network", nargs="+", default=["resnet20"])
    parser.add_argument("--target", nargs="+", type=float, default=[0.5, 0.7])
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    parser.add_argument("--seed", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=TIER_A.epochs, help="0: one-shot only")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.summary:
        go_on(options)
    table = accuracy_table.summary(done())
    RESULTS.with_suffix(".md").write_text(accuracy_table.markdown(table))
    RESULTS.with_suffix(".svg").write_text(accuracy_table.drawing(table))
    print(json.dumps(table, indent=1) if options.json else accuracy_table.markdown(table))


if __name__ == "__main__":
    main()
