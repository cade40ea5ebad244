"""AULM against SGD on the group lasso and proximal SGD: steps and seconds to the same goal.

    python benchmarks/solvers.py [--epochs 60] [--seeds 3] [--network NAME --data NAME] [--summary]

All solvers start from the same trained network and get the same grid: three learning rates by
three lambdas (9 settings), the same batches, momentum and steps. After every epoch what counts as
gone is set to 0 in a copy, and its cross-entropy on the test images is measured. A solver has
arrived when at most SUPPORT of the filters are left and that loss is at most LOSS; the best of its
nine settings counts, by the median over the seeds, a seed that never arrives being the last. SGD on
the group lasso never reaches 0: its rows count as gone below 5 % of the largest, and in a line of
its own below 0.1 %. Seconds are steps times the method's seconds a step on this machine, with that
measurement once an epoch: the fastest tenth of its epochs counts, because other work on the machine
made some twice as slow. One JSON line a setting goes to docs/results/solvers.jsonl; a setting that
is there is not run again. ``--summary`` makes docs/results/solvers.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

import sfp_viz as sfp
from sfp_viz.core.training.sparsification import sparse_settings
from sfp_viz.nets.sparsity.sparse_training import SparseTraining

LINES = Path(__file__).resolve().parent.parent / "docs" / "results" / "solvers.jsonl"
SOLVERS: dict[str, dict[str, Any]] = {
    "AULM, l2,1": {"method": "ssr_l21"},
    "SGD on the group lasso, gone below 5 %": {"method": "group_lasso", "cutoff": 0.05},
    "SGD on the group lasso, gone below 0.1 %": {"method": "group_lasso", "cutoff": 0.001},
    "proximal SGD": {"method": "proximal"},
}
RATES, STRENGTHS = (0.01, 0.03, 0.1), (0.01, 0.03, 0.1)
RHO = 0.3  # of 0.03, 0.1, 0.3 and 1 the one with which AULM was fastest in a trial on digits
SUPPORT, LOSS = 0.5, 0.25  # share of the filters left; cross-entropy on the test images
CLAIM = 2.5  # times faster than the latest direct solver: the paper's abstract


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--network", default="lenet5_digits")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, help="most training images")
    parser.add_argument("--only", nargs="*", choices=list(SOLVERS), default=list(SOLVERS))
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if not options.summary:
        torch.set_num_threads(1)
        known = {key(line) for line in lines()}
        for seed in range(options.seeds):
            for solver in options.only:
                for rate in RATES:
                    for strength in STRENGTHS:
                        setting = facts(options, solver, rate, strength, seed)
                        if key(setting) not in known:
                            keep({**setting, "way": way(options, setting)})
    if lines():
        LINES.with_suffix(".md").write_text(table(lines()) + "\n", encoding="utf-8")
        print(table(lines()))


def facts(options: Any, solver: str, rate: float, strength: float, seed: int) -> dict[str, Any]:
    return {
        "network": options.network, "data": options.data, "epochs": options.epochs,
        "images": options.images, "solver": solver, "rate": rate, "strength": strength,
        "seed": seed,
    }  # fmt: skip


def key(line: dict[str, Any]) -> str:
    return json.dumps({name: line[name] for name in sorted(line) if name != "way"})


def way(options: Any, setting: dict[str, Any]) -> list[list[float]]:
    """(step, seconds, share of the filters left, loss on the test images) after each epoch; it
    ends where the loss becomes infinite."""
    model = sfp.load_model(options.network)
    train, test = (sfp.load_data(options.data, split) for split in ("train", "test"))
    settings = sparse_settings(
        **SOLVERS[setting["solver"]], learning_rate=setting["rate"], strength=setting["strength"],
        seed=setting["seed"], epochs=options.epochs, batch_size=64, refresh=10,
        augmentation="shift", train_images=options.images, settle=0.05, rho=RHO,
    )  # fmt: skip
    session = SparseTraining(model, train=train, test=test, settings=settings)
    points, seconds = [], 0.0
    try:
        for record in session.records():
            seconds += record.seconds
            if record.test_accuracy is None:
                continue
            left = [share for _, share in record.live]
            sizes = [session.network.group(name).size for name, _ in record.live]
            share = sum(x * n for x, n in zip(left, sizes, strict=True)) / sum(sizes)
            points.append([record.step, seconds, share, loss_of(session.result()[0], session.test)])
    except sfp.RunError:
        pass
    return [[round(float(x), 5) for x in point] for point in points]


def loss_of(model: sfp.Model, images: sfp.Images) -> float:
    """Mean cross-entropy; measured."""
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(images), 256):
            pixels = torch.from_numpy(images.pixels[start : start + 256].copy())
            labels = torch.from_numpy(images.labels[start : start + 256].copy())
            logits = model.module(model.normalize(pixels))
            total += float(F.cross_entropy(logits, labels, reduction="sum"))
    return total / len(images)


def arrival(line: dict[str, Any]) -> float:
    """The step at which both goals are met for the first time; infinite if never."""
    met = (p[0] for p in line["way"] if p[2] <= SUPPORT and p[3] <= LOSS)
    return next(met, math.inf)


def pace(results: list[dict[str, Any]], solver: str) -> float:
    """Seconds a step of a solver's method, whatever counts as gone: what the fastest tenth of all
    epochs, of all settings, stays below."""
    method = SOLVERS[solver]["method"]
    ways = [x["way"] for x in results if SOLVERS[x["solver"]]["method"] == method]
    pairs = [pair for way in ways for pair in pairwise(way)]
    return statistics.quantiles([(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs], n=10)[0]


def table(every: list[dict[str, Any]]) -> str:
    """Markdown: for each network and solver the best of its settings, median over seeds."""
    rows = [
        "# Solvers",
        "",
        "Made by `python benchmarks/solvers.py --summary` from solvers.jsonl. Goal: at most "
        f"{100 * SUPPORT:.0f} % of the filters left and a loss of at most {LOSS} on the test "
        f"images; the best of {len(RATES) * len(STRENGTHS)} settings each. Measured; seconds are "
        "steps times the pace of the fastest tenth of a method's epochs.",
        "",
        "| network | solver | learning rate | lambda | seeds that arrive | steps | seconds | "
        "AULM is faster by |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for network in dict.fromkeys((line["network"], line["epochs"]) for line in every):
        network_lines = [line for line in every if (line["network"], line["epochs"]) == network]
        by_solver = {
            solver: [x for x in network_lines if x["solver"] == solver] for solver in SOLVERS
        }
        ours, *_ = (
            best_of(solver_lines)[0] * pace(network_lines, name)
            for name, solver_lines in by_solver.items()
            if solver_lines
        )
        for solver, solver_lines in by_solver.items():
            if not solver_lines:
                continue
            steps, arrived, count, rate, strength = best_of(solver_lines)
            seconds = steps * pace(network_lines, solver)
            cell = f"{steps:.0f} | {seconds:.1f}" if steps < math.inf else "never | never"
            times = f"{seconds / ours:.2f}x" if steps < math.inf and ours < math.inf else "–"
            rows.append(
                f"| {network[0]} | {solver} | {rate} | {strength} | {arrived} of {count} | {cell} "
                f"| {times} |"
            )
    return "\n".join([*rows, "", f"The paper claims {CLAIM} times."])


def best_of(results: list[dict[str, Any]]) -> tuple[float, int, int, float, float]:
    """Median steps of the best setting, the seeds that arrive with it, of how many, its learning
    rate and lambda."""
    candidates = []
    for rate in RATES:
        for strength in STRENGTHS:
            arrivals = [
                arrival(x) for x in results if (x["rate"], x["strength"]) == (rate, strength)
            ]
            if arrivals:
                arrived = sum(steps < math.inf for steps in arrivals)
                candidates.append(
                    (statistics.median_high(arrivals), -arrived, len(arrivals), rate, strength)
                )
    steps, arrived, count, rate, strength = min(candidates)
    return steps, -arrived, count, rate, strength


def lines() -> list[dict[str, Any]]:
    return [json.loads(text) for text in LINES.read_text().splitlines()] if LINES.exists() else []


def keep(line: dict[str, Any]) -> None:
    LINES.parent.mkdir(parents=True, exist_ok=True)
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line["solver"], line["rate"], line["strength"], line["seed"], arrival(line), flush=True)


if __name__ == "__main__":
    main()
