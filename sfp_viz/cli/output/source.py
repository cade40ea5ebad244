"""How a network was put together from somebody's file, as lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfp_viz.cli.output.text import table

if TYPE_CHECKING:
    from sfp_viz.nets.model import Source


def source_lines(source: Source) -> list[str]:
    """Which entries of the file went where, what was left out, and what had to be assumed."""
    lines = []
    moved = [(old, new) for old, new in source.keys if old != new]
    if moved:
        lines.append(table(("in the file", "in the network"), moved))
    if source.left_out:
        lines.append("Left out: " + ", ".join(source.left_out[:20]) + _more(source.left_out, 20))
    if source.assumptions:
        lines.append("Assumed: " + "; ".join(source.assumptions) + ".")
    if source.differences:
        lines.append(f"Entries that differ from {source.nearest}:")
        lines.append(table(("entry", "difference"), source.differences))
    if not source.known and not source.differences:
        lines.append("Its preprocessing is a guess: measure it with 'sfp-viz preprocessing NET'.")
    return lines


def _more(names: tuple[str, ...], most: int) -> str:
    return f" and {len(names) - most} more" if len(names) > most else ""
