"""How alike the kept filters are: the mean nearest-neighbor similarity, before and after a cut.

    python benchmarks/duplication.py

The paper says that other methods 'ignore the duplication of the reserved kernels'. For each filter
of a group its largest cosine similarity to another filter of the group, averaged over filters, then
over groups weighted by their filters; of the uncut network and of what each recipe keeps. No
training, no test images. Writes docs/results/duplication.{json,md}.
Needs SFP_VIZ_DATA with CIFAR-10 and the published checkpoints.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from accuracy_at_cost import images_of, opened

import sfp_viz as sfp
from sfp_viz.core.evidence.evidence import Evidence, needs
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import NAMED
from sfp_viz.core.redundancy.similarity import filter_matrix, similarity
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.tracing.read_network import read_network

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "duplication.json"
NETWORKS = ("resnet20", "resnet56", "vgg11_fashion")
RECIPES = ("random", "uniform_l1", "fpgm", "paper_sfp", "similarity", "functional")
SEEDS = 20  # random draws


def nearest(matrix: np.ndarray, kept: Iterable[int]) -> np.ndarray:
    """Largest similarity of each kept filter to another kept one; empty for a single filter."""
    chosen = np.array(sorted(kept))
    if len(chosen) < 2:
        return np.zeros(0)
    similarities = matrix[np.ix_(chosen, chosen)].copy()
    np.fill_diagonal(similarities, -np.inf)
    return similarities.max(1)


def duplication(network: Network, removed: Mapping[str, Iterable[int]]) -> float:
    """Mean over all kept filters of the groups in ``removed``."""
    rows = []
    for name, removal_map in removed.items():
        matrix = np.asarray(similarity(filter_matrix(network, network.group(name))))
        rows.append(nearest(matrix, set(range(len(matrix))) - set(removal_map)))
    return float(np.concatenate(rows).mean())


def rows_of(name: str, target: float) -> list[dict]:
    model = opened(name)
    network = read_network(model)
    observed = Evidence(observations=observe(model, images_of(name)[0]))
    free = {group.name: () for group in network.free}
    rows = [{"network": name, "target": 0.0, "recipe": "uncut",
             "similarity": duplication(network, free), "draws": 1}]  # fmt: skip
    for kind in RECIPES:
        values = []
        for seed in range(SEEDS if kind == "random" else 1):
            recipe = NAMED[kind](target_reduction=target, seed=seed)
            evidence = observed if "observations" in needs(recipe) else None
            plan = sfp.make_plan(network, sfp.analyze(network, recipe, evidence), recipe)
            removal_map = {removal.group: removal.filters for removal in plan.removals}
            values.append(duplication(network, {**free, **removal_map}))
        rows.append({"network": name, "target": target, "recipe": kind,
                     "similarity": float(np.mean(values)), "draws": len(values)})  # fmt: skip
    return rows


def markdown(rows: list[dict]) -> str:
    """One line a recipe, one column a network and target."""
    cells = sorted({(r["network"], r["target"]) for r in rows if r["target"]})
    uncut = {r["network"]: r["similarity"] for r in rows if r["recipe"] == "uncut"}
    by = {(r["network"], r["target"], r["recipe"]): r["similarity"] for r in rows}
    lines = [
        "# Duplicates among the kept filters",
        "",
        "Made by `python benchmarks/duplication.py`. Mean over kept filters of the largest cosine "
        "similarity to another kept filter of the same group (computed from weights). Fewer "
        f"filters alone make it fall: 'random' ({SEEDS} draws) shows by how much.",
        "",
        "| kept by | " + " | ".join(f"{name}, {target:.0%}" for name, target in cells) + " |",
        "|---|" + "---|" * len(cells),
        "| uncut | " + " | ".join(f"{uncut[name]:.3f}" for name, _ in cells) + " |",
    ]
    for kind in RECIPES:
        values = " | ".join(f"{by[(*cell, kind)]:.3f}" for cell in cells)
        lines.append(f"| {kind} | {values} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0]).parse_args()
    rows = [row for name in NETWORKS for target in (0.5, 0.7) for row in rows_of(name, target)]
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
