"""How quickly a pruned network learns under each temperature schedule, and how well.

    python benchmarks/temperatures.py [--network resnet20] [--target 0.5 0.7] [--seed 0 1 2]
    python benchmarks/temperatures.py --summary

The same cut ('functional'), images, seeds and learning rate for all; only the teacher's part of the
loss differs. The accuracy is measured four times an epoch on the same test images. One JSON line a
result in docs/results/temperatures.jsonl; what is there is skipped. `--summary` makes
docs/results/temperatures.md: steps until 99 % of the accuracy is reached at which labels alone
(CE only) end, and the accuracy at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from accuracy_at_cost import TIER_A, images_of, pruned_by, teacher_of

from sfp_viz.nets.evaluation.measure import measure_accuracy
from sfp_viz.nets.training.distill import Training

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "temperatures.jsonl"
EVERY = 20  # steps between two measurements
MEASURED = 2_000  # test images of those in between; all of them at the end
RATES = {0.5: 0.005, 0.7: 0.02}  # those that serve 'functional' in accuracy_at_cost
KINDS: dict[str, dict[str, Any]] = {
    "CE only": {"alpha": 0.0},
    "fixed T 4": {"schedule": "fixed"},
    "linear 4 to 1": {"schedule": "linear"},
    "cosine 4 to 1": {"schedule": "cosine"},
    "exponential 4 to 1": {"schedule": "exponential"},
    "step 4 to 1": {"schedule": "step"},
    "increasing 1 to 4": {"schedule": "increasing"},
    "adaptive 4 to 1": {"schedule": "adaptive"},
    "standardized, fixed T 2": {
        "schedule": "fixed", "standardize": True, "temperature_start": 2.0,
    },
    "DKD, fixed T 4": {"schedule": "fixed", "dkd": (1.0, 8.0)},
}  # fmt: skip


def measure(network: str, target: float, kind: str, seed: int) -> dict[str, Any]:
    """One training with a curve of (steps, accuracy)."""
    train, held_out, test = images_of(network)
    pruned = pruned_by("functional", network, target, 0)
    rate = RATES[target]
    settings = replace(TIER_A, seed=seed, learning_rate=rate, **KINDS[kind])
    teacher = teacher_of(network) if settings.alpha else None
    training = Training(pruned, teacher=teacher, train=train, test=held_out, settings=settings)
    curve: list[tuple[int, float]] = []
    steps = 0

    def look() -> bool:
        nonlocal steps
        if steps % EVERY == 0:
            accuracy = measure_accuracy(training.model(), test.first(MEASURED)).accuracy
            curve.append((steps, accuracy or 0.0))
        steps += 1
        return False

    while training.done < settings.epochs:
        training.epoch(look)
    last = training.model()
    curve.append((steps, measure_accuracy(last, test.first(MEASURED)).accuracy or 0.0))
    return {
        "network": network,
        "target": target,
        "kind": kind,
        "seed": seed,
        "learning_rate": rate,
        "epochs": settings.epochs,
        "steps": steps,
        "final": measure_accuracy(last, test).accuracy,
        "n_test": len(test),
        "curve": curve,
        "n_curve": MEASURED,
    }


def done() -> list[dict[str, Any]]:
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text().splitlines() if line.endswith("}")]


def reached(row: dict[str, Any], wanted: float) -> int | None:
    """Steps after which the curve is at ``wanted`` and never below it again; None if never."""
    first = None
    for steps, accuracy in reversed(row["curve"]):
        if accuracy < wanted:
            break
        first = steps
    return first


def markdown(rows: list[dict[str, Any]]) -> str:
    """One table a network and target."""
    lines = [
        "# Temperature schedules",
        "",
        "Made by `python benchmarks/temperatures.py --summary` from temperatures.jsonl. The same "
        "cut network ('functional'), 10,000 training images, seeds and learning rate for all. "
        f"Steps: until 99 % of the accuracy at which CE only ends (mean over its seeds) is reached "
        f"for good, looked at each {EVERY} steps on {MEASURED:,} test images. Accuracies are "
        "measured, in %; ± is the standard deviation over the seeds.",
    ]
    for network, target in sorted({(row["network"], row["target"]) for row in rows}):
        selected = [r for r in rows if (r["network"], r["target"]) == (network, target)]
        plain = [r["curve"][-1][1] for r in selected if r["kind"] == "CE only"]
        rate, count = selected[0]["learning_rate"], selected[0]["n_test"]
        lines += [
            "",
            f"## {network}, {target:.0%} of the MACs removed, learning rate {rate:g}",
            "",
            f"| teacher's part | steps to 99 % of CE only | of | final ({count:,} test images) "
            "| seeds |",
            "|---|---|---|---|---|",
        ]
        for kind in KINDS:
            of_kind = [r for r in selected if r["kind"] == kind]
            if of_kind and plain:
                lines.append(_line(kind, of_kind, 0.99 * statistics.mean(plain)))
    return "\n".join(lines) + "\n"


def _line(kind: str, rows: list[dict[str, Any]], wanted: float) -> str:
    steps = [reached(row, wanted) for row in rows]
    known = [step for step in steps if step is not None]
    epochs_text = f"{statistics.mean(known):.0f}" if known else "not reached"
    if known and len(known) < len(steps):
        epochs_text += f" ({len(known)} of {len(steps)} seeds)"
    finals = [100 * row["final"] for row in rows]
    spread = f" ± {statistics.stdev(finals):.1f}" if len(finals) > 1 else ""
    return (
        f"| {kind} | {epochs_text} | {rows[0]['steps']} | {statistics.mean(finals):.1f}{spread} "
        f"| {len(rows)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--network", nargs="+", default=["resnet20"])
    parser.add_argument("--target", nargs="+", type=float, default=[0.7, 0.5], choices=list(RATES))
    parser.add_argument("--seed", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--kind", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    known = {(r["network"], r["target"], r["kind"], r["seed"]) for r in done()}
    for seed in () if options.summary else options.seed:
        for network in options.network:
            for target in options.target:
                for kind in options.kind:
                    if (network, target, kind, seed) not in known:
                        row = measure(network, target, kind, seed)
                        with RESULTS.open("a") as file:
                            file.write(json.dumps(row) + "\n")
                        print(kind, target, seed, row["final"], flush=True)
    if done():
        RESULTS.with_suffix(".md").write_text(markdown(done()))
        print(markdown(done()))


if __name__ == "__main__":
    main()
