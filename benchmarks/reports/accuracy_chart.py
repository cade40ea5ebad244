"""The drawing of accuracy_at_cost: a panel for each network and target, a row for each method."""

from __future__ import annotations

from html import escape

from reports.accuracy_table import NAMES, NETWORKS, chosen

TITLES = {
    "resnet20": "ResNet-20, CIFAR-10",
    "resnet56": "ResNet-56, CIFAR-10",
    "resnet20_fashion": "ResNet-20, Fashion-MNIST",
    "vgg11_fashion": "VGG-11, Fashion-MNIST",
}
OURS, OTHERS, LINE = "#0f766e", "#64748b", "#e2e8f0"
STEP, HEAD, GAP = 19, 44, 26  # pixels: a row, above the rows, below them
NAME, PLOT, WORDS = 186, 190, 92  # pixels across: names, dots, numbers
WIDE = NAME + PLOT + WORDS


def drawing(table: list[dict]) -> str:
    """Dots from one-shot (hollow) to fine-tuned (filled) accuracy, 0 to 100 %; as SVG. Parts that
    were taken away have a table of their own (docs/method.md)."""
    cells = [
        cell for cell in chosen(table)
        if cell["final"] is not None and ":" not in cell["method"] and cell["target"]
    ]  # fmt: skip
    cells.sort(key=lambda cell: -cell["final"])
    parts, y = [], 34
    for target in sorted({cell["target"] for cell in cells}):
        for networks in NETWORKS.values():
            lows = [
                _panel(network, target, [c for c in cells if _of(c) == (network, target)], at, y)
                for at, network in enumerate(networks)
            ]
            parts += [text for text, _ in lows]
            y = max(low for _, low in lows) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDE + 44} {y}" '
        f'width="{2 * WIDE + 44}" font-family="Inter, system-ui, sans-serif" font-size="12">'
        "<title>Test accuracy: hollow right after pruning, filled after fine-tuning</title>"
        '<rect width="100%" height="100%" fill="white"/>' + _key() + "".join(parts) + "</svg>\n"
    )


def _of(cell: dict) -> tuple[str, float]:
    return cell["network"], cell["target"]


def _key() -> str:
    return (
        f'<circle cx="16" cy="16" r="4" fill="white" stroke="{OTHERS}"/>'
        f'<text x="26" y="20" fill="{OTHERS}">right after pruning</text>'
        f'<circle cx="156" cy="16" r="4" fill="{OTHERS}"/>'
        f'<text x="166" y="20" fill="{OTHERS}">after fine-tuning; test accuracy, 0 to 100 %; '
        "dashed: unpruned</text>"
    )


def _panel(network: str, target: float, cells: list[dict], at: int, top: int) -> tuple[str, int]:
    """A panel in column ``at``, and where it ends."""
    if not cells:
        return "", top - GAP
    x = 10 + at * (WIDE + 24)
    title = f"{TITLES[network]}: {target:.0%} of the MACs removed"
    low = top + HEAD + STEP * len(cells)
    parts = [f'<text x="{x}" y="{top + 22}" font-weight="600" fill="#0f172a">{title}</text>']
    for share in (0, 0.5, 1):
        place = x + NAME + PLOT * share
        parts.append(
            f'<line x1="{place:.0f}" x2="{place:.0f}" y1="{top + HEAD - 14}" y2="{low - 12}" '
            f'stroke="{LINE}"/>'
        )
    whole = x + NAME + PLOT * cells[0]["base"]
    parts.append(
        f'<line x1="{whole:.1f}" x2="{whole:.1f}" y1="{top + HEAD - 14}" y2="{low - 12}" '
        f'stroke="{OTHERS}" stroke-dasharray="2 2"/>'
    )
    for number, cell in enumerate(cells):
        parts.append(_row(cell, x, top + HEAD + STEP * number))
    return "".join(parts), low


def _row(cell: dict, x: int, y: int) -> str:
    name = escape(str(NAMES.get(cell["method"], cell["method"])))
    ours = cell["method"] == "functional"
    color, weight = (OURS, "600") if ours else (OTHERS, "400")
    start, end = (x + NAME + PLOT * cell[when] for when in ("one_shot", "final"))
    spread = "" if cell["spread"] is None else f" ± {100 * cell['spread']:.1f}"
    return (
        f'<text x="{x + NAME - 10}" y="{y + 4}" text-anchor="end" fill="{color}" '
        f'font-weight="{weight}">{name}</text>'
        f'<line x1="{start:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}" stroke="{color}"/>'
        f'<circle cx="{start:.1f}" cy="{y}" r="4" fill="white" stroke="{color}"/>'
        f'<circle cx="{end:.1f}" cy="{y}" r="4" fill="{color}"/>'
        f'<text x="{x + NAME + PLOT + 12}" y="{y + 4}" fill="{color}" font-weight="{weight}">'
        f"{100 * cell['final']:.1f}{spread}</text>"
    )
