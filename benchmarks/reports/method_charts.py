"""The figures of docs/method.md, drawn from plain numbers; method_figures.py works those out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from reports.svg import ACCENT, AGAINST, GREY, MARKS, TOP, WIDE, box, line, mark, page, text

_ROW = 24
_LEVELS = 8  # shades of a similarity matrix
_DASHES = ("7 3", "2 4", "9 3 2 3", "4 4", "1 2", "12 4")


def dots(
    title: str,
    subtitle: str,
    values: Mapping[str, Mapping[str, float]],
    *,
    axis: str,
    notes: tuple[str, Mapping[str, str]],
) -> str:
    """A row for each name of the first mapping's values, a mark for each of up to four series, on
    an axis from 0 to 1; at the right what is ``notes`` of each row, under its head."""
    left, right, names = 110, WIDE - 96, list(notes[1])
    top = TOP + 34
    bottom = top + _ROW * len(names)
    parts, x = [], 0.0
    for kind, series in zip(MARKS, values, strict=False):
        parts += [mark(kind, x + 8, TOP + 2), text(x + 20, TOP + 6, series)]
        x += 44 + 6 * len(series)
    for tenth in (0, 0.2, 0.4, 0.6, 0.8, 1):
        at = left + (right - left) * tenth
        parts += [
            line(at, top - 8, at, bottom - 8, opacity=0.3),
            text(at, bottom + 10, f"{tenth:g}", anchor="middle"),
        ]
    parts.append(text((left + right) / 2, bottom + 28, axis, anchor="middle"))
    parts.append(text(WIDE, top - 12, notes[0], anchor="end"))
    for row, name in enumerate(names):
        y = top + _ROW * row + 4
        parts.append(text(left - 12, y + 4, name, anchor="end"))
        parts.append(text(WIDE, y + 4, notes[1][name], anchor="end"))
        for kind, series in zip(MARKS, values.values(), strict=False):
            parts.append(mark(kind, left + (right - left) * series[name], y))
    return page(title, subtitle, parts, tall=bottom + 36)


def widths(
    title: str,
    subtitle: str,
    kept: Mapping[str, Mapping[str, int]],
    sizes: Mapping[str, int],
    *,
    ours: str,
) -> str:
    """A panel for each way, in it a bar for each layer: outlined all filters, filled what stays."""
    left, gap = 136, 24
    wide = (WIDE - left - gap * (len(kept) - 1)) / len(kept)
    parts, top = [], TOP + 22
    for panel, (way, kept_by) in enumerate(kept.items()):
        x, color = left + panel * (wide + gap), ACCENT if way == ours else GREY
        parts.append(text(x, TOP + 6, way, fill=color, font_weight=600))
        for row, (name, size) in enumerate(sizes.items()):
            y, room = top + _ROW * row, wide - 30
            share = kept_by[name] / size
            parts += [
                box(x, y, room * share, 14, fill=color),
                box(x, y, room, 14, fill="none", stroke=GREY, opacity=0.5),
                text(x + room + 6, y + 11, str(kept_by[name])),
            ]
            if not panel:
                parts.append(text(left - 10, y + 11, f"{name} · {size}", anchor="end"))
    return page(title, subtitle, parts, tall=top + _ROW * len(sizes) + 4)


def matrix(
    title: str,
    subtitle: str,
    similarity: np.ndarray,
    labels: Sequence[int],
    removed: Mapping[int, str],
) -> str:
    """Similarities in the order of the clusters, each framed; what goes is marked at the left."""
    order = sorted(range(len(labels)), key=lambda unit: (labels[unit], unit in removed, unit))
    left, top = 60, TOP + 12
    cell = 380 / len(order)
    shades: dict[tuple[str, int], list[str]] = {}
    for row, unit in enumerate(order):
        for column, other in enumerate(order):
            value = float(similarity[unit, other])
            level = min(_LEVELS, round(_LEVELS * abs(value)))
            if level:
                at = f"M{left + cell * column:.1f} {top + cell * row:.1f}"
                shades.setdefault((ACCENT if value > 0 else AGAINST, level), []).append(
                    f"{at}h{cell:.1f}v{cell:.1f}h-{cell:.1f}z"
                )
    parts = [
        f'<path d="{"".join(cells)}" fill="{color}" fill-opacity="{level / _LEVELS:.2f}"/>'
        for (color, level), cells in sorted(shades.items())
    ]
    for cluster in sorted(set(labels)):
        rows = [row for row, unit in enumerate(order) if labels[unit] == cluster]
        start, tall = cell * rows[0], cell * len(rows)
        parts.append(box(left + start, top + start, tall, tall, fill="none", stroke=GREY))
    for row, unit in enumerate(order):
        if unit in removed:
            color = ACCENT if "redundant" in removed[unit] else GREY
            parts.append(box(left - 14, top + cell * row, 10, cell - 0.8, fill=color))
    parts += _matrix_words(removed, left + 380 + 28, top)
    parts.append(text(left, top + 398, f"{len(order)} filters, in the order of their clusters"))
    turned = f"rotate(-90 {left - 24} {top + 380})"
    parts.append(text(left - 24, top + 380, "marked: goes", transform=turned))
    return page(title, subtitle, parts, tall=top + 410)


def _matrix_words(removed: Mapping[int, str], x: float, y: float) -> list[str]:
    redundant = sum("redundant" in reason for reason in removed.values())
    parts = []
    for row, value in enumerate((1, 0.5, 0.25, -0.25, -0.5)):
        color = ACCENT if value > 0 else AGAINST
        parts += [
            box(x, y + 22 * row, 14, 14, fill=color, fill_opacity=abs(value)),
            text(x + 22, y + 22 * row + 11, f"{value:g}".replace("-", "−")),
        ]
    parts += [
        text(x + 56, y + 11, "same direction"),
        box(x, y + 130, 14, 14, fill="none", stroke=GREY),
        text(x + 22, y + 141, "one cluster"),
        box(x, y + 156, 10, 14, fill=ACCENT),
        text(x + 22, y + 167, f"goes, redundant: {redundant}"),
        box(x, y + 182, 10, 14, fill=GREY),
        text(x + 22, y + 193, f"goes, unimportant: {len(removed) - redundant}"),
    ]
    return parts


def quotas(title: str, subtitle: str, clusters: Sequence[Sequence[bool]]) -> str:
    """A line of squares for each cluster, a square a filter, filled what stays."""
    parts = []
    for row, cluster in enumerate(clusters):
        y = TOP + 22 * row
        for place, stays in enumerate(cluster):
            fill = {"fill": ACCENT} if stays else {"fill": "none", "stroke": GREY}
            parts.append(box(20 * place + 1, y, 15, 15, **fill))
        stay = f"{sum(cluster)} of {len(cluster)}"
        parts.append(text(20 * len(cluster) + 8, y + 12, stay))
    return page(title, subtitle, parts, tall=TOP + 22 * len(clusters))


def curves(title: str, subtitle: str, lines: Mapping[str, Sequence[float]], *, ours: str) -> str:
    """Values over the share of all steps, 0..1, of equal spacing; each named at its own end."""
    left, right, top, tall = 40, WIDE - 250, TOP + 8, 230
    most = max(max(values) for values in lines.values())
    parts = [
        text((left + right) / 2, top + tall + 36, "share of all steps t", anchor="middle"),
        text(left - 24, top - 6, "T"),
    ]
    for value in range(int(most) + 1):
        y = top + tall * (1 - value / most)
        parts += [
            line(left, y, right, y, opacity=0.3),
            text(left - 10, y + 4, str(value), anchor="end"),
        ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + (right - left) * share
        parts.append(text(x, top + tall + 18, f"{share:g}", anchor="middle"))
    ends = sorted(lines, key=lambda name: -lines[name][-1])
    taken = -100.0
    for row, name in enumerate(ends):
        values, color = lines[name], ACCENT if name == ours else GREY
        xs = np.linspace(left, right, len(values))
        ys = [top + tall * (1 - value / most) for value in values]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        dash = "" if name == ours else f' stroke-dasharray="{_DASHES[row % len(_DASHES)]}"'
        stroke = f'stroke="{color}" stroke-width="{2.5 if name == ours else 1.5}"'
        parts.append(f'<polyline points="{points}" fill="none" {stroke}{dash}/>')
        taken = max(taken + 18, ys[-1])
        parts += [
            line(right + 4, ys[-1], right + 24, taken, stroke=color, opacity=0.6),
            f'<line x1="{right + 26}" x2="{right + 54}" y1="{taken:.1f}" y2="{taken:.1f}" '
            f"{stroke}{dash}/>",
            text(right + 60, taken + 4, name, fill=color),
        ]
    return page(title, subtitle, parts, tall=top + tall + 44)


def bars(
    title: str, subtitle: str, panels: Mapping[str, Mapping[str, float]], *, whole: float, ours: str
) -> str:
    """A panel for each target, in it a bar for each stage: accuracies 0..1; ``whole`` is dashed."""
    left, gap = 126, 40
    wide = (WIDE - left - gap * (len(panels) - 1)) / len(panels)
    parts, top = [], TOP + 34
    for panel, (target, accuracies) in enumerate(panels.items()):
        x, room = left + panel * (wide + gap), wide - 36
        bottom = top + _ROW * len(accuracies)
        at = x + room * whole
        parts += [
            text(x, TOP + 6, target, font_weight=600),
            line(at, top - 4, at, bottom, stroke_dasharray="3 3"),
            text(at, top - 8, f"unpruned {100 * whole:.1f}", anchor="end"),
        ]
        for row, (stage, accuracy) in enumerate(accuracies.items()):
            y, color = top + _ROW * row + 2, ACCENT if stage == ours else GREY
            parts += [
                box(
                    x, y, room * accuracy, 14, fill=color, fill_opacity=1 if stage == ours else 0.6
                ),
                text(x + wide, y + 11, f"{100 * accuracy:.1f}", anchor="end", fill=color),
            ]
            if not panel:
                parts.append(text(left - 10, y + 11, stage, anchor="end", fill=color))
    return page(title, subtitle, parts, tall=top + _ROW * len(next(iter(panels.values()))) + 6)
