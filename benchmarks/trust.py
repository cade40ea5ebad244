"""How far suggestions can be trusted: rank correlation of predicted damage and measured accuracy.

    python benchmarks/trust.py [--network NAME ...] [--target 0.5 ...] [--work FOLDER]
    python benchmarks/trust.py --summary

For each network and target: the suggestion, the uniform plan and 20 plans of equal MACs around
the suggestion are cut, BatchNorm is estimated anew, and test images are counted. One JSON line a
plan in FOLDER (default .sfp_viz/trust), with sensitivity and predictions; what is there is not
measured again, so a stopped benchmark goes on. `--summary` writes docs/results/trust.json and
trust.md from it. Data by SFP_VIZ_DATA; published checkpoints in its folder 'checkpoints'.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from reports.trust_table import table

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.comparison.sampled_plans import draws, edits_of
from sfp_viz.core.comparison.trust import PREDICTORS, Draw, Trust, trust_from_json, trust_to_json
from sfp_viz.core.comparison.verdict import agreement
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import (
    Sensitivity,
    collect_sensitivity,
    sensitivity_from_json,
    sensitivity_to_json,
)
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe, Strategy, functional
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan, make_plan_for
from sfp_viz.nets.data.datasets import Images, load_data
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.evaluation.one_shot import (
    measure_plans,
    measure_sensitivity_points,
    sensitivity_tasks,
)
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.text.verdict import verdict

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "trust.json"
NETWORKS = {  # name: (what to open, data)
    "lenet5_digits": ("lenet5_digits", "digits"),
    "resnet20_cifar10": ("resnet20_cifar10", "cifar10"),
    "resnet20 (published)": ("checkpoints/resnet20-12fca82f.th", "cifar10"),
}
TEST_IMAGES = 1000
FUNCTIONAL = "functional"  # the recipe of that name in place of a compensation
ALLOCATIONS: tuple[Strategy, ...] = get_args(Strategy)


def opened(name: str) -> tuple[Model, Images, Images]:
    place, data = NETWORKS[name]
    if "/" in place:
        place = str(Path(os.environ["SFP_VIZ_DATA"]) / place)
    test = load_data(data, "test", limit=TEST_IMAGES)
    return load_model(place), load_data(data, "train"), test


def sensitivity_of(
    model: Model, network: Network, recipe: Recipe, train: Images, test: Images, file: Path
) -> Sensitivity:
    """Measured once a network; its points are kept one by one in ``file``'s .points."""
    if file.is_file():
        return sensitivity_from_json(file.read_text())
    points, started = file.with_suffix(".points"), time.time()
    done = [tuple(json.loads(line)) for line in _lines(points)]
    known = {(group, kept) for group, kept, _ in done}
    todo = [task for task in sensitivity_tasks(network, recipe) if task not in known]
    for point in measure_sensitivity_points(
        model, network, recipe, todo=todo, calibration=train, test=test
    ):
        done.append(point)
        with points.open("a") as out:
            out.write(json.dumps(point) + "\n")
    sensitivity = collect_sensitivity(
        network,
        recipe,
        done,
        data=f"{test.name}, {test.split}",
        images=len(test),
        seconds=time.time() - started,
    )
    file.write_text(sensitivity_to_json(sensitivity))
    return sensitivity


def measure(name: str, target: float, work: Path, compensation: str) -> None:
    """Measure what is missing of one network at one target; the record is written at the end."""
    slug = name.replace(" ", "_").strip("()").replace("(", "")
    file = work / f"{slug}-{target:g}-{compensation}.json"
    if file.is_file():
        return
    model, train, test = opened(name)
    network = read_network(model)
    evidence = Evidence(observations=observe(model, train))
    if compensation == FUNCTIONAL:
        recipe = functional(target)
    else:
        recipe = replace(Recipe(target_reduction=target), compensation=compensation)
        beside = work / f"{slug}-{compensation}.sensitivity"
        known = sensitivity_of(model, network, recipe, train, test, beside)
        evidence = replace(evidence, sensitivity=known)
    analysis = analyze(network, recipe, evidence)
    drawn = draws(Problem(network, Request(recipe), evidence, analysis.dispersions))
    plans = [make_plan(network, analysis, recipe, edits_of(network, d)) for d in drawn]
    lines, started = file.with_suffix(".lines"), time.time()
    done = dict(json.loads(line) for line in _lines(lines))
    todo = [plan for plan in plans if plan.hash not in done]
    counted = measure_plans(model, network, todo, calibration=train, test=test)
    for plan, right in zip(todo, counted, strict=True):
        done[plan.hash] = right
        with lines.open("a") as out:
            out.write(json.dumps([plan.hash, right]) + "\n")
        print(f"{name} {target:g} {compensation}: {len(done)} of {len(plans)}", flush=True)
    measured = tuple(
        replace(draw, right=done[plan.hash]) for draw, plan in zip(drawn, plans, strict=True)
    )
    data = f"{test.name}, {test.split}"
    trust = Trust(network.digest, data, len(test), recipe, measured, time.time() - started)
    file.write_text(trust_to_json(trust))
    print(name, target, compensation, verdict(trust), flush=True)


def compare(name: str, target: float, work: Path, compensation: str) -> None:
    """Measure the suggestion of every allocation at one target; needs what ``measure`` left."""
    slug = name.replace(" ", "_").strip("()").replace("(", "")
    file = work / f"{slug}-{target:g}-{compensation}.suggestions"
    if file.is_file():
        return
    model, train, test = opened(name)
    network = read_network(model)
    known = sensitivity_from_json((work / f"{slug}-{compensation}.sensitivity").read_text())
    evidence = Evidence(observations=observe(model, train), sensitivity=known)
    recipes = [
        Recipe(target_reduction=target, compensation=compensation, allocation=allocation)  # type: ignore[arg-type]
        for allocation in ALLOCATIONS
    ]
    plans = [make_plan_for(Problem(network, Request(recipe), evidence)) for recipe in recipes]
    right = measure_plans(model, network, plans, calibration=train, test=test)
    right_by_allocation = {r.allocation: count for r, count in zip(recipes, right, strict=True)}
    file.write_text(json.dumps(right_by_allocation))


def summary(work: Path) -> None:
    """Write docs/results/trust.json and trust.md from the records in ``work``."""
    rows = []
    for file in sorted(work.glob("*-*-*.json")):
        network, target, compensation = file.stem.rsplit("-", 2)
        trust = trust_from_json(file.read_text())
        agreements = [a for p in PREDICTORS if (a := agreement(trust, p))]
        beside = file.with_suffix(".suggestions")
        others = json.loads(beside.read_text()) if beside.is_file() else {}
        rows.append(
            {
                "network": network,
                "target": float(target),
                "compensation": compensation,
                "images": trust.images,
                "plans": len(trust.draws),
                "suggestion": _share(trust.draw("suggestion"), trust),
                "uniform": _share(trust.draw("uniform"), trust),
                "suggestions": {name: n / trust.images for name, n in others.items()},
                "agreement": {a.predictor: asdict(a) for a in agreements},
                "verdict": verdict(trust),
                "draws": json.loads(trust_to_json(trust))["draws"],
            }
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(table(rows))


def _share(draw: Draw | None, trust: Trust) -> float:
    return (draw.right or 0) / trust.images if draw else 0.0


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line] if file.is_file() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--network", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--target", nargs="*", type=float, default=[0.5, 0.7])
    parser.add_argument("--compensation", nargs="*", default=["none"])
    parser.add_argument("--work", type=Path, default=Path(".sfp_viz/trust"))
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if not options.summary:
        for target in options.target:
            for name in options.network:
                for compensation in options.compensation:
                    measure(name, target, options.work, compensation)
                    if compensation != FUNCTIONAL:
                        compare(name, target, options.work, compensation)
    summary(options.work)


if __name__ == "__main__":
    main()
