"""The figures of docs/method.md, drawn from what this code computes and has measured.

    python benchmarks/method_figures.py [--figure dispersion ratios similarity clusters ...]

Writes docs/results/method_<figure>.svg. Nothing is trained. Dispersions, widths and clusters are
computed on the published ResNet-20, what needs images on 512 training images; the similarities are
those of a layer of the VGG-11 that is shipped. Stages are the one-shot accuracies of
accuracy_at_cost.jsonl; what is cut without any repair is measured here, on the same test images.
Needs SFP_VIZ_DATA with CIFAR-10 and the published checkpoints, but for 'temperature' and
'similarity'.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
from accuracy_at_cost import RESULTS as MEASURED
from accuracy_at_cost import images_of, opened
from methods.ablations import ABLATIONS
from methods.contenders import by_recipe
from reports.method_charts import bars, curves, dots, matrix, quotas, widths

import sfp_viz as sfp
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence, needs
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import NAMED, ClusterRule, Dispersion, Recipe, Strategy
from sfp_viz.core.redundancy.dispersion import dispersions
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.training.distillation import SCHEDULES, Distillation, Schedule, temperature
from sfp_viz.nets.evaluation.measure import measure_accuracy
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.text.plan.reasons import reason_text

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "results"
NETWORK, SHIPPED = "resnet20", "vgg11_fashion"
LAYER, QUOTA_LAYER = "features.4", "layer2.0.conv1"
IMAGES, TARGET = 512, 0.5
AT = f"{100 * TARGET:.0f} % of the MACs"
KINDS: Mapping[str, Dispersion] = {
    "nearest": "nearest", "effective rank": "effective_rank", "mean": "mean",
    "activation": "activation",
}  # fmt: skip
WAYS: Mapping[str, Strategy] = {
    "uniform": "uniform", "Kernel Dispersion": "dispersion", "function": "functional",
}  # fmt: skip
RULES: Mapping[str, ClusterRule] = {
    "share, κ = 0.5": "share", "one each": "one_each", "threshold": "threshold",
    "silhouette": "silhouette",
}  # fmt: skip
STAGES = {  # what an accuracy at equal cost lacks of the whole is the stage that was left out
    "cut, compensated": "functional:no_reestimation",
    "cut, re-estimated": "functional:no_compensation",
    "cut, both": "functional",
}


@cache
def network_of(name: str) -> Network:
    return read_network(opened(name))


@cache
def image_evidence() -> Evidence:
    images = images_of(NETWORK)[0]
    return Evidence(observations=observe(opened(NETWORK), images, most=IMAGES))


def free_sizes(network: Network) -> dict[str, int]:
    return {group.name: group.size for group in network.free}


def dispersion() -> str:
    network = network_of(NETWORK)
    values = {
        words: dispersions(network, Recipe(dispersion=kind), image_evidence())
        for words, kind in KINDS.items()
    }  # fmt: skip
    return dots(
        "Kernel Dispersion of each layer, four ways",
        f"Computed: published ResNet-20, from its weights; activation from {IMAGES} training "
        "images.",
        values, axis="0: all filters are copies · 1: as spread as random ones",
        notes=("nearest", {name: f"{value:.2f}" for name, value in values["nearest"].items()}),
    )  # fmt: skip


def ratios() -> str:
    network, kept, saved = network_of(NETWORK), {}, []
    for words, allocation in WAYS.items():
        recipe = Recipe(target_reduction=TARGET, allocation=allocation)
        evidence = image_evidence() if needs(recipe) else None
        kept[words] = dict(analyze(network, recipe, evidence).kept)
        saved.append(1 - cost_of_widths(network, kept[words]).macs / cost(network).macs)
    least, most = 100 * min(saved), 100 * max(saved)
    return widths(
        "Filters that stay, by how the target is shared out",
        f"Computed: published ResNet-20, {least:.1f} to {most:.1f} % of the MACs saved in each; "
        f"function from {IMAGES} training images.",
        kept, free_sizes(network), ours="function",
    )  # fmt: skip


def similarity() -> str:
    network, recipe = network_of(SHIPPED), NAMED["paper_sfp"](TARGET)
    analysis = analyze(network, recipe)
    plan = sfp.make_plan(network, analysis, recipe)
    removal = next(removal for removal in plan.removals if removal.group == LAYER)
    group = analysis.groups[LAYER]
    return matrix(
        f"Cosine similarity of the filters of {LAYER}",
        f"Computed from weights: VGG-11 for Fashion-MNIST, recipe 'paper_sfp' at {AT}.",
        group.similarity, group.clusters.labels,
        dict(zip(removal.filters, map(reason_text, removal.reasons), strict=True)),
    )  # fmt: skip


def clusters() -> str:
    network = network_of(NETWORK)
    sizes, base = free_sizes(network), NAMED["paper_sfp"](TARGET)
    count: dict[str, dict[str, int]] = {}
    for words, rule in RULES.items():
        groups = analyze(network, replace(base, cluster_rule=rule)).groups
        count[words] = {name: groups[name].clusters.k for name in sizes}
    shares = {
        words: {name: k / sizes[name] for name, k in analysis.items()}
        for words, analysis in count.items()
    }  # fmt: skip
    ours = count[next(iter(RULES))]
    return dots(
        "How many clusters each rule gives",
        f"Computed from weights: published ResNet-20, recipe 'paper_sfp' at {AT}.",
        shares, axis="clusters for each filter of the layer",
        notes=("share: clusters", {n: f"{ours[n]} of {size}" for n, size in sizes.items()}),
    )  # fmt: skip


def quota() -> str:
    network, recipe = network_of(NETWORK), NAMED["paper_sfp"](TARGET)
    analysis = analyze(network, recipe)
    removed = set(sfp.make_plan(network, analysis, recipe).removed(QUOTA_LAYER))
    labels = analysis.groups[QUOTA_LAYER].clusters.labels
    rows = [
        sorted((unit not in removed for unit, label in enumerate(labels) if label == cluster),
               reverse=True)
        for cluster in sorted(set(labels))
    ]  # fmt: skip
    return quotas(
        f"What the {len(rows)} clusters of {QUOTA_LAYER} keep",
        "Computed from weights: published ResNet-20, recipe 'paper_sfp'. A square a filter, filled "
        "what stays.",
        sorted(rows, key=len, reverse=True),
    )  # fmt: skip


def temperatures() -> str:
    shares = np.linspace(0, 1, 401)
    fixed = [name for name in get_args(Schedule) if name in SCHEDULES]
    lines = {
        name: [temperature(Distillation(schedule=name), float(t)) for t in shares] for name in fixed
    }
    return curves(
        "Temperature over a training",
        "Computed from T0 = 4 to T1 = 1. 'adaptive' follows the student, so it has no fixed path.",
        lines, ours="cosine",
    )  # fmt: skip


def stages() -> str:
    rows = [json.loads(line) for line in MEASURED.read_text().splitlines() if line.endswith("}")]
    by = {(r["target"], r["method"]): r for r in rows if r["network"] == NETWORK}
    panels = {}
    for target in (0.5, 0.7):
        known = {words: by[target, method]["one_shot"] for words, method in STAGES.items()}
        panels[f"{100 * target:.0f} % of the MACs removed"] = {"cut": cut_alone(target), **known}
    whole = by[TARGET, "functional"]
    return bars(
        "Accuracy after each stage of a cut, before any fine-tuning, in %",
        f"Measured: published ResNet-20, widths and filters by function, {whole['n_test']:,} test "
        "images.",
        panels, whole=whole["base"], ours="cut, both",
    )  # fmt: skip


def cut_alone(target: float) -> float:
    """One-shot accuracy, measured, where nothing is compensated or estimated anew."""
    model, (train, _, test) = opened(NETWORK), images_of(NETWORK)
    recipe = NAMED["functional"](target_reduction=target, compensation="none")
    cut = by_recipe(recipe, ABLATIONS["no_reestimation"])
    small = cut(model, network_of(NETWORK), train)
    return measure_accuracy(small, test).accuracy or 0.0


FIGURES: Mapping[str, Callable[[], str]] = {
    "dispersion": dispersion,
    "ratios": ratios,
    "similarity": similarity,
    "clusters": clusters,
    "quotas": quota,
    "temperature": temperatures,
    "stages": stages,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--figure", nargs="+", default=list(FIGURES), choices=list(FIGURES))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    for name in options.figure:
        path = options.folder / f"method_{name}.svg"
        path.write_text(FIGURES[name]())
        print(path, flush=True)


if __name__ == "__main__":
    main()
