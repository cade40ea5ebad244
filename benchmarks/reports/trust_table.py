"""The tables of docs/results/trust.md, of the rows that trust.py has gathered."""

from __future__ import annotations

from typing import get_args

from sfp_viz.core.comparison.trust import PREDICTORS
from sfp_viz.core.plan.recipe import Strategy


def table(rows: list[dict]) -> str:
    head = (
        "# How far to trust a suggestion\n\n"
        "Rank correlation (Spearman) of predicted damage and measured one-shot accuracy over plans "
        "of equal MACs drawn around the suggestion, with a 95 % bootstrap interval. Measured on "
        "test images after BatchNorm was estimated anew on 512 training images, no training. "
        "'functional' is the recipe of that name (widths and filters by function, least squares), "
        "the others are from weights alone with that compensation; their BatchNorm was estimated "
        "on plain images. Made by `benchmarks/trust.py`.\n\n"
        "| network | fewer MACs | recipe or compensation | plans, images | suggestion / uniform | "
        + " | ".join(f"by {name}" for name in PREDICTORS)
        + " |\n|---|---|---|---|---|---|---|---|\n"
    )
    lines = []
    for row in rows:
        cells = [_cell(row["agreement"].get(name)) for name in PREDICTORS]
        lines.append(
            f"| {row['network']} | {row['target']:.0%} | {row['compensation']} | {row['plans']}, "
            f"{row['images']} | {row['suggestion']:.1%} / {row['uniform']:.1%} | "
            + " | ".join(cells)
            + " |"
        )
    return head + "\n".join(lines) + "\n" + _suggestions(rows)


def _suggestions(rows: list[dict]) -> str:
    names = get_args(Strategy)
    shown = [row for row in rows if row["suggestions"]]
    head = (
        "\nOne-shot accuracy of the suggestion itself, by how it shares out what has to go "
        "(measured the same way, at the same MACs; sensitivity was measured on the same test "
        "images, so that its own figure is a little too good; functional saw training images "
        "only):\n\n"
        f"| network | fewer MACs | made up for by | {' | '.join(names)} |\n"
        f"|---|---|---|{'---|' * len(names)}\n"
    )
    lines = [
        f"| {row['network']} | {row['target']:.0%} | {row['compensation']} | "
        + " | ".join(f"{row['suggestions'][n]:.1%}" for n in names)
        + " |\n"
        for row in shown
    ]
    return head + "".join(lines) if shown else ""


def _cell(agreement: dict | None) -> str:
    if agreement is None:
        return "–"
    low, high = agreement["interval"]
    return f"{agreement['correlation']:.2f} ({low:.2f} to {high:.2f})"
