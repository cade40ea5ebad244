"""Words, lines, boxes and pages of SVG for the figures of docs/method.md.

Transparent, in one grey and one accent that can be read on white and on black.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

GREY, ACCENT, AGAINST = "#76808c", "#0f766e", "#c2622d"
WIDE = 720
TOP = 62  # below title and subtitle
MARKS = ("dot", "ring", "bar", "diamond")


def text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = GREY, **more) -> str:
    """Words at a place; ``more`` are attributes, with _ for -."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{attributes}>'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = GREY, **more) -> str:
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{stroke}"{attributes}/>'


def box(x: float, y: float, wide: float, tall: float, **more) -> str:
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"{attributes}/>'


def page(title: str, subtitle: str, parts: Sequence[str], *, tall: float) -> str:
    """A whole drawing under its title, and under what was worked out on what."""
    head = [
        f"<title>{escape(title)}</title>",
        text(0, 18, title, font_size=15, font_weight=600),
        text(0, 38, subtitle),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {tall:.0f}" '
        f'width="{WIDE}" height="{tall:.0f}" font-family="Inter, system-ui, sans-serif" '
        'font-size="12">\n' + "\n".join([*head, *parts]) + "\n</svg>\n"
    )


def mark(kind: str, x: float, y: float) -> str:
    """One of four marks, the first in the accent."""
    if kind == "dot":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ACCENT}"/>'
    if kind == "ring":
        ring = f'fill="none" stroke="{GREY}" stroke-width="1.5"'
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6.5" {ring}/>'
    if kind == "bar":
        return line(x, y - 7, x, y + 7, stroke_width=2)
    around = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in ((0, -5), (5, 0), (0, 5), (-5, 0)))
    return f'<polygon points="{around}" fill="{GREY}"/>'
