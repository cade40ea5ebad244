"""Accuracy at equal MACs: every method on the same networks, images, budget and seeds.

    python benchmarks/accuracy_at_cost.py [--network NAME ...] [--target 0.5 ...] [--method ...]
    python benchmarks/accuracy_at_cost.py --summary [--json]

One JSON line a result in docs/results/accuracy_at_cost.jsonl; what is there already is skipped, so
a stopped benchmark goes on. `--summary` makes docs/results/accuracy_at_cost.{md,svg} of it.
All methods leave the same layers whole, re-estimate BatchNorm on the same images, and are
fine-tuned with the same settings and seeds at two learning rates. Torch-Pruning is run by itself,
not by our code.
Needs SFP_VIZ_DATA with CIFAR-10 and the published checkpoints.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

from fixtures.trained_networks import trained
from methods import gradual, sparse_training
from methods.contenders import Remembering, contender
from reports import accuracy_chart, accuracy_table

import sfp_viz as sfp
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.data.datasets import Images, load_data
from sfp_viz.nets.evaluation.measure import count_macs, measure_accuracy
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.distill import Training

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "accuracy_at_cost.jsonl"
CHECKPOINTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
VGG = Distillation(epochs=12, alpha=0.0, learning_rate=0.05, precision="bf16-mixed")
TIER_A = Distillation(
    epochs=5, train_images=10_000, learning_rate=0.02, batch_size=128, precision="bf16-mixed"
)
KEY = ("network", "target", "method", "seed", "epochs", "learning_rate")
HELD_OUT = 2_000  # the last training images, never trained on: they choose our learning rate
METHODS = ("uniform_l1", "fpgm", "tp_group_local", "tp_group_global", "paper_sfp", "functional")


@cache
def opened(network: str) -> Model:
    if network in CHECKPOINTS:
        folder = Path(os.environ["SFP_VIZ_DATA"]) / "checkpoints"
        return sfp.load_model(str(folder / CHECKPOINTS[network]))
    if network == "vgg11_cifar":
        return trained(network, "slim_vgg11", {"channels": 3}, "cifar10", VGG)
    return sfp.load_model(network)


def last(images: Images, count: int) -> Images:
    return replace(images, pixels=images.pixels[-count:], labels=images.labels[-count:])


@cache
def images_of(network: str) -> tuple[Images, Images, Images]:
    """Training images, those of them held out, and test images."""
    data = opened(network).data
    train, test = load_data(data, "train"), load_data(data, "test")
    return train.first(len(train) - HELD_OUT), last(train, HELD_OUT), test


@cache
def base_of(network: str) -> float | None:
    return measure_accuracy(opened(network), images_of(network)[2]).accuracy


@cache
def teacher_of(network: str) -> Model:
    """The unpruned network, which remembers what it said: equal seeds show equal batches."""
    model = opened(network)
    return model.with_module(Remembering(model.module))


@cache
def pruned_by(method: str, network: str, target: float, seed: int) -> Model:
    model, (train, _, _) = opened(network), images_of(network)
    return contender(method, target, seed)(model, read_network(model), train)


def measure(network: str, target: float, method: str, seed: int, *, epochs: int, rate: float):
    """Prune, measure, fine-tune, measure: one line of the results."""
    started = time.perf_counter()
    model, (train, held_out, test) = opened(network), images_of(network)
    settings = replace(TIER_A, seed=seed, epochs=max(1, epochs), learning_rate=rate)
    if method in sparse_training.METHODS:
        pruned, settings = sparse_training.thinned(method, model, train, target, settings)
    elif method in gradual.METHODS:
        pruned, settings = gradual.cut_in_steps(
            method, model, train, target, settings, teacher_of(network)
        )
    else:
        drawn = seed if method in ("random", "scratch") else 0
        pruned = pruned_by(method, network, target, drawn)
    one_shot = measure_accuracy(pruned, test)
    history, final = [], None
    if epochs:
        parts = {"teacher": teacher_of(network), "train": train, "test": held_out}
        training = sparse_training.freeze_dead_stripes(
            Training(pruned, **parts, settings=settings), method
        )
        while training.done < settings.epochs:
            epoch = training.epoch()
            history.append(epoch.test_accuracy if epoch else None)
        final = measure_accuracy(training.model(), test).accuracy
    macs = sparse_training.macs_of(pruned)
    return {
        "network": network,
        "method": method,
        "target": target,
        "seed": seed,
        "macs": macs,
        "reduction": round(1 - macs / count_macs(model), 5),
        "base": base_of(network),
        "one_shot": one_shot.accuracy,
        "final": final,
        "held_out": history,
        "n_test": len(test),
        "epochs": epochs,
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


def better_rate(cell: tuple[str, float, str], options: argparse.Namespace) -> float:
    """The learning rate of all seeds but the first: a rival's is the one that did better on the
    test images with the first, ours the one that did better on images held out."""
    ours = accuracy_table.is_ours(cell[2])

    def judged(rate: float) -> float:
        rows = [r for r in done() if tuple(r[n] for n in KEY) == (*cell, 0, options.epochs, rate)]
        return max(((r["held_out"][-1] if ours else r["final"]) for r in rows), default=-1.0)

    return max(options.rate, key=judged)


def go_on(options: argparse.Namespace) -> None:
    """Measure what is asked for and not there yet, seed by seed."""
    known = {tuple(r[name] for name in KEY) for r in done()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for seed in options.seed:
        for network in options.network:
            for target in options.target:
                for method, rate in product(options.method, options.rate):
                    cell = (network, target, method)
                    if (*cell, seed, options.epochs, rate) in known:
                        continue
                    if seed and rate != better_rate(cell, options):
                        continue
                    row = measure(network, target, method, seed, epochs=options.epochs, rate=rate)
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
    parser.add_argument("--rate", nargs="+", type=float, default=[0.005, 0.02])
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.summary:
        go_on(options)
    table = accuracy_table.summary(done())
    RESULTS.with_suffix(".md").write_text(accuracy_table.markdown(table))
    RESULTS.with_suffix(".svg").write_text(accuracy_chart.drawing(table))
    print(json.dumps(table, indent=1) if options.json else accuracy_table.markdown(table))


if __name__ == "__main__":
    main()
