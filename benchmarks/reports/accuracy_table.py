"""The results of accuracy_at_cost as a table and a drawing; recomputed from the lines each time."""

from __future__ import annotations

import statistics

NETWORKS = {
    "CIFAR-10": ("resnet20", "resnet56"),  # of the goal; a VGG-11 trained here is beside them
    "Fashion-MNIST": ("resnet20_fashion", "vgg11_fashion"),
}
RIVALS = ("uniform_l1", "fpgm", "tp_group_local", "tp_group_global")
NAMES = {
    "functional": "ours, by function",
    "functional:two_steps": "ours, cut in two steps (60 %, two epochs)",
    "functional:half_step": "ours, cut in two steps (50 %, one epoch)",
    "similarity": "ours, weights alone",
    "paper_sfp": "SFP, our reading",
    "uniform_l1": "uniform L1",
    "global_l1": "global L1",
    "fpgm": "FPGM",
    "bn_scale": "BatchNorm scale",
    "hrank": "HRank",
    "chip": "CHIP",
    "taylor": "Taylor",
    "random": "random",
    "group_magnitude": "group magnitude, ours",
    "tp_group_local": "Torch-Pruning, local",
    "tp_group_global": "Torch-Pruning, global",
    "tp_group_sparse": "Torch-Pruning, sparse learning",
    "scratch": "our shape from scratch",
    "unpruned": "unpruned, fine-tuned alike",
    "ssr_l21": "SSR, l2,1",
    "ssr_l20": "SSR, l2,0",
    "ssr_projection": "SSR, projection",
    "multi_granularity": "multi-granularity",
}


def is_ours(method: str) -> bool:
    """Whether the method is ours, whole or with a part exchanged."""
    return method.split(":")[0] == "functional"


def summary(rows: list[dict]) -> list[dict]:
    """Mean and spread over the seeds of each (network, target, method, epochs, learning rate)."""
    cells: dict[tuple, list[dict]] = {}
    for row in rows:
        key = (row["network"], row["target"], row["method"], row["epochs"], row["learning_rate"])
        cells.setdefault(key, []).append(row)
    table = []
    for (network, target, method, epochs, rate), seed_rows in cells.items():
        by_seed = {row["seed"]: row["final"] for row in seed_rows if row["final"] is not None}
        finals = [*by_seed.values()]
        held_out = [row["held_out"][-1] for row in seed_rows if row["held_out"]]
        table.append(
            {
                "network": network,
                "target": target,
                "method": method,
                "epochs": epochs,
                "learning_rate": rate,
                "reduction": statistics.mean(row["reduction"] for row in seed_rows),
                "one_shot": statistics.mean(row["one_shot"] for row in seed_rows),
                "final": statistics.mean(finals) if finals else None,
                "finals": by_seed,
                "spread": statistics.stdev(finals) if len(finals) > 1 else None,
                "held_out": statistics.mean(held_out) if held_out else None,
                "seeds": len(seed_rows),
                "n_test": seed_rows[0]["n_test"],
                "train_images": seed_rows[0]["train_images"],
                "base": seed_rows[0]["base"],
                "tier": seed_rows[0]["tier"],
            }
        )
    return sorted(table, key=_place)


def chosen(table: list[dict]) -> list[dict]:
    """One cell for each method, target and number of epochs: that of most seeds; of equals, for
    ours the learning rate that did best on held-out training images, for all others the one that
    did best on the test images, which favors them."""
    best: dict[tuple, dict] = {}
    for cell in table:
        key = (cell["network"], cell["target"], cell["method"], cell["epochs"])
        by = "held_out" if is_ours(cell["method"]) else "final"
        worth = (cell["seeds"], cell[by] or 0)
        if key not in best or worth > (best[key]["seeds"], best[key][by] or 0):
            best[key] = cell
    return list(best.values())


def _place(cell: dict) -> tuple:
    best = cell["final"] if cell["final"] is not None else cell["one_shot"]
    return cell["network"], cell["target"], -cell["epochs"], -best


def leads(table: list[dict]) -> list[str]:
    """How far ours is above the best rival (one for all networks of a data set), in a sentence
    each; of networks on which a rival was measured too."""
    sentences, cells = [], chosen(table)
    for when, word in (("one_shot", "before"), ("final", "after")):
        for target in sorted({cell["target"] for cell in cells}):
            for data, networks in NETWORKS.items():
                known = [
                    c for c in cells
                    if c["target"] == target and c["network"] in networks and c[when] is not None
                ]  # fmt: skip
                if lead := _lead(known, when):
                    sentences.append(
                        f"{data}, {target:.0%} of the MACs removed, {word} fine-tuning: {lead}"
                    )
    return sentences


def _lead(cells: list[dict], when: str) -> str:
    by = {(cell["network"], cell["method"]): cell[when] for cell in cells}
    finals = {(cell["network"], cell["method"]): cell["finals"] for cell in cells}
    own = {network for network, method in by if method == "functional"}
    both = sorted(own & {network for network, method in by if method in RIVALS})
    whole = [m for m in RIVALS if both and all((network, m) in by for network in both)]
    if not whole:
        return ""
    means = {m: statistics.mean(by[network, m] for network in both) for m in whole}
    best = max(means, key=lambda name: means[name])
    gaps = {n: 100 * (by[n, "functional"] - by[n, best]) for n in both}
    each = ", ".join(
        f"{n} {_signed(lead)}{_paired(finals[n, 'functional'], finals[n, best], when)}"
        for n, lead in gaps.items()
    )
    mean = _signed(statistics.mean(gaps.values()))
    return (
        f"ours is {mean} points against {NAMES[best]}, the best of {len(whole)} rivals measured "
        f"there ({each})."
    )


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"  # no minus zero


def _paired(ours: dict[int, float], rival: dict[int, float], when: str) -> str:
    """The spread of the differences, seed by seed; '' for what has no seeds, or fewer than two."""
    both = [100 * (ours[seed] - rival[seed]) for seed in ours if seed in rival]
    if when != "final" or len(both) < 2:
        return ""
    return f" ± {statistics.stdev(both):.1f}, {len(both)} pairs"


def _short(table: list[dict]) -> list[str]:
    """One line for each network and target: ours, the best rival there, uniform L1 and random."""
    tuned = [cell for cell in chosen(table) if cell["final"] is not None]
    cells = {(c["network"], c["target"], c["method"]): c for c in tuned}
    lines = []
    for network in (name for names in NETWORKS.values() for name in names):
        for target in sorted({c["target"] for c in table if c["network"] == network}):
            cell_of = {m: c for (n, t, m), c in cells.items() if (n, t) == (network, target)}
            rivals = [cell_of[m] for m in RIVALS if m in cell_of]
            if "functional" not in cell_of or not rivals:
                continue
            ours, best = cell_of["functional"], max(rivals, key=lambda cell: cell["final"])
            others = [_final(cell_of[m]) if m in cell_of else "" for m in ("uniform_l1", "random")]
            lines.append(
                f"| {network} | {target:.0%} | {100 * ours['base']:.1f} "
                f"| {100 * ours['one_shot']:.1f} | {_final(ours)} | {NAMES[best['method']]} "
                f"| {100 * best['one_shot']:.1f} | {_final(best)} | {' | '.join(others)} |"
            )
    return lines


def _final(cell: dict) -> str:
    spread = "" if cell["spread"] is None else f" ± {100 * cell['spread']:.1f}"
    return f"{100 * cell['final']:.1f}{spread} ({cell['seeds']})"


def markdown(table: list[dict]) -> str:
    """The table with what it was made from."""
    head = [
        "# Accuracy at equal cost",
        "",
        "Made by `python benchmarks/accuracy_at_cost.py --summary` from accuracy_at_cost.jsonl. "
        "Accuracies are measured, in %, on the test images given; ± is the standard deviation over "
        "the seeds, in the leads that of the differences of equal seeds. "
        "All rows: the same layers left whole, BatchNorm re-estimated on the same "
        "images, distillation with the same settings and seeds, at two learning rates. In the "
        "leads each rival has the rate that did better on the test images, ours the one that did "
        "better on 2,000 training images held out. (The published network has seen all of those, "
        "so they are no fair judge for rivals.) Tier A: ResNet-20 (CIFAR-10, "
        "published weights), 10,000 training images, 5 epochs, two cores. Tier B: other networks. "
        "SSR and multi-granularity spend the first three of the five epochs on sparse training; "
        "their one-shot accuracy is measured after that and the cut. Unpruned, fine-tuned "
        "alike: what the same training makes of the whole network. "
        "The rivals of the goal are uniform L1, FPGM and Torch-Pruning (local, global).",
        "",
        *(f"- {line}" for line in leads(table)),
        "",
        "In short (the number of seeds in brackets):",
        "",
        "| network | MACs removed | unpruned | ours, one-shot | ours, fine-tuned | best rival "
        "| its one-shot | its fine-tuned | uniform L1 | random |",
        "|---|--:|--:|--:|--:|---|--:|--:|--:|--:|",
        *_short(table),
        "",
        "All of it:",
        "",
        "| network | target | method | MACs removed | one-shot | fine-tuned | epochs | rate "
        "| seeds | test images | tier |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_line(cell) for cell in table)]) + "\n"


def _line(cell: dict) -> str:
    final = "" if cell["final"] is None else f"{100 * cell['final']:.1f}"
    if cell["spread"] is not None:
        final += f" ± {100 * cell['spread']:.1f}"
    return (
        f"| {cell['network']} | {cell['target']:.0%} | {NAMES.get(cell['method'], cell['method'])} "
        f"| {cell['reduction']:.1%} | {100 * cell['one_shot']:.1f} | {final} | {cell['epochs']} "
        f"| {cell['learning_rate']:g} | {cell['seeds']} | {cell['n_test']:,} | {cell['tier']} |"
    )
