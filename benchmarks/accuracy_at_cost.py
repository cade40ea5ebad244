"""Accuracy at equal MACs: every method on the same networks, images, budget and seeds.

    python benchmarks/accuracy_at_cost.py [--network NAME ...] [--target 0.5 ...] [--method ...]
    python benchmarks/accuracy_at_cost.py --summary [--json]

One JSON line a result in docs/results/accuracy_at_cost.jsonl; what is there already is skipped, so
a stopped benchmark goes on. `--summary` recomputes docs/results/accuracy_at_cost.md from that file.
All methods leave the same layers whole, re-estimate BatchNorm on the same images, and are
fine-tuned with the same settings and seeds. Torch-Pruning is run by itself, not by our code.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
import torch_pruning
from torch import nn

import sfp_viz as sfp
from sfp_viz.core.recipe import NAMED, Recipe
from sfp_viz.core.training import Distillation
from sfp_viz.nets.compensation import reestimate
from sfp_viz.nets.data import Images, load_data
from sfp_viz.nets.distill import Training
from sfp_viz.nets.measure import count_macs, measure_accuracy
from sfp_viz.nets.model import Model
from sfp_viz.nets.reading import read_network
from sfp_viz.nets.surgery import prune

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "accuracy_at_cost.jsonl"
TABLE = RESULTS.with_suffix(".md")
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
TIER_A = Distillation(
    epochs=5, train_images=10_000, learning_rate=0.02, batch_size=128, precision="bf16-mixed"
)
PEERS = ("random", "uniform_l1", "fpgm", "tp_group_local", "tp_group_global")


def by_recipe(recipe: Recipe) -> Callable[[Model, Images], Model]:
    def cut(model: Model, images: Images) -> Model:
        network = read_network(model)
        plan = sfp.make_plan(network, sfp.analyze(network, recipe), recipe)
        return prune(model, plan, calibration=images, network=network)

    return cut


def by_torch_pruning(target: float, *, everywhere: bool) -> Callable[[Model, Images], Model]:
    """Torch-Pruning's GroupMagnitude; its ratio is searched until the MACs meet the target."""

    def cut(model: Model, images: Images) -> Model:
        wanted = (1 - target) * count_macs(model)
        low, high, best = 0.0, 0.95, model
        for _ in range(14):
            ratio = (low + high) / 2
            tried = _torch_pruned(model, ratio, everywhere)
            if count_macs(tried) <= wanted:
                best, high = tried, ratio
            else:
                low = ratio
        return reestimate(best, images)

    return cut


def _torch_pruned(model: Model, ratio: float, everywhere: bool) -> Model:
    module = deepcopy(model.module)
    # The stem and what writes the residual stream stay whole, as for every other method here.
    spared = [m for n, m in module.named_modules() if n == "conv1" or n.endswith("conv2")]
    spared += [m for m in module.modules() if isinstance(m, nn.Linear)]
    pruner = torch_pruning.pruner.MagnitudePruner(
        module,
        torch.zeros(1, *model.input_shape),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=everywhere,
        pruning_ratio=ratio,
        max_pruning_ratio=0.95,
        ignored_layers=spared,
    )
    pruner.step()
    return model.with_module(module.eval())


def methods(target: float, seed: int) -> dict[str, Callable[[Model, Images], Model]]:
    ours = {name: by_recipe(make(target_reduction=target)) for name, make in NAMED.items()}
    return {
        **ours,
        "random": by_recipe(NAMED["random"](target_reduction=target, seed=seed)),
        "tp_group_local": by_torch_pruning(target, everywhere=False),
        "tp_group_global": by_torch_pruning(target, everywhere=True),
    }


def opened(network: str) -> Model:
    if network in CHECKPOINTS:
        folder = Path(os.environ["SFP_VIZ_DATA"]) / "checkpoints"
        return sfp.load_model(str(folder / CHECKPOINTS[network]))
    return sfp.load_model(network)


def measure(network: str, target: float, method: str, seed: int) -> dict:
    """Prune, measure, fine-tune, measure: one line of the results."""
    started = time.perf_counter()
    model = opened(network)
    train, test = load_data(model.data, "train"), load_data(model.data, "test")
    pruned = methods(target, seed)[method](model, train)
    settings = Distillation(**{**TIER_A.__dict__, "seed": seed})
    training = Training(pruned, teacher=model, train=train, test=test, settings=settings)
    one_shot = measure_accuracy(pruned, test)
    epochs = [training.epoch() for _ in range(settings.epochs)]
    base = count_macs(model)
    return {
        "network": network,
        "method": method,
        "target": target,
        "seed": seed,
        "macs": count_macs(pruned),
        "reduction": round(1 - count_macs(pruned) / base, 5),
        "one_shot": one_shot.accuracy,
        "final": epochs[-1].test_accuracy if epochs[-1] else None,
        "n_test": len(test),
        "epochs": settings.epochs,
        "train_images": settings.train_images,
        "tier": "A",
        "seconds": round(time.perf_counter() - started, 1),
    }


def done() -> list[dict]:
    if not RESULTS.exists():
        return []
    lines = RESULTS.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def summary() -> list[dict]:
    """Mean and spread over seeds of each (network, target, method)."""
    cells: dict[tuple, list[dict]] = {}
    for row in done():
        cells.setdefault((row["network"], row["target"], row["method"]), []).append(row)
    table = []
    for (network, target, method), rows in sorted(cells.items()):
        finals = [row["final"] for row in rows]
        table.append(
            {
                "network": network,
                "target": target,
                "method": method,
                "reduction": statistics.mean(row["reduction"] for row in rows),
                "one_shot": statistics.mean(row["one_shot"] for row in rows),
                "final": statistics.mean(finals),
                "spread": statistics.stdev(finals) if len(finals) > 1 else 0.0,
                "seeds": len(rows),
                "n_test": rows[0]["n_test"],
                "tier": rows[0]["tier"],
            }
        )
    return table


def write_table(table: list[dict]) -> str:
    head = (
        "# Accuracy at equal cost\n\nMade by `python benchmarks/accuracy_at_cost.py --summary`. "
        "Tier A: 10,000 training images, 5 epochs. Accuracies measured, in %; ± is the standard "
        "deviation over the seeds.\n\n"
        "| network | target | method | MACs removed | one-shot | fine-tuned | seeds | test images "
        "| tier |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    rows = [
        f"| {r['network']} | {r['target']:.0%} | {r['method']} | {r['reduction']:.1%} "
        f"| {100 * r['one_shot']:.1f} | {100 * r['final']:.1f} ± {100 * r['spread']:.1f} "
        f"| {r['seeds']} | {r['n_test']:,} | {r['tier']} |"
        for r in table
    ]
    return head + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--network", nargs="+", default=["resnet20"])
    parser.add_argument("--target", nargs="+", type=float, default=[0.5, 0.7])
    parser.add_argument("--method", nargs="+", default=["uniform_l1", "default"])
    parser.add_argument("--seed", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.summary:
        there = {(r["network"], r["target"], r["method"], r["seed"]) for r in done()}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        for key in (
            (network, target, method, seed)
            for seed in options.seed
            for network in options.network
            for target in options.target
            for method in options.method
        ):
            if key in there:
                continue
            row = json.dumps(measure(key[0], key[1], key[2], key[3]))
            with RESULTS.open("a") as file:
                file.write(row + "\n")
            print(row, flush=True)
    table = summary()
    TABLE.write_text(write_table(table))
    print(json.dumps(table, indent=1) if options.json else write_table(table))


if __name__ == "__main__":
    main()
