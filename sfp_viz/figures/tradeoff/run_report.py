"""The report on compared runs, from plain values: the same from the app and from a shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfp_viz.figures.tradeoff.marks import View
from sfp_viz.figures.tradeoff.page import Table, report_page
from sfp_viz.figures.tradeoff.svg import tradeoff_svg
from sfp_viz.text.numbers import percent

CAPTION = (
    "Hollow: one-shot. Filled: fine-tuned. Bars: 95 % intervals of accuracies, quartiles of "
    "latencies. Dotted: the Pareto front of these points."
)
BEST = (
    "The best epoch was chosen on the test images, so its accuracy reads a little high; the last "
    "epoch's does not."
)


def run_report(
    picture: View,
    *,
    title: str,
    sentences: Sequence[str],
    runs: tuple[Sequence[str], Sequence[Sequence[Any]]],
    names: Sequence[str] = (),
    differing: Sequence[tuple[str, str, Sequence[Any]]] = (),
    shared: Sequence[tuple[str, str, Sequence[Any]]] = (),
    plans: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (),
    footer: str = "",
) -> str:
    """One HTML file: chart, all runs, what differs and what is the same, plans in short.

    ``runs`` are heads and rows; ``names`` head the columns of ``differing`` (section, what, one
    value a run); ``shared`` has one value; ``plans`` are (run, (group, filters that go)).
    """
    heads, rows = runs
    rows = [[shown(head, one) for head, one in zip(heads, row, strict=True)] for row in rows]
    tables = [
        Table("Runs", f"Each number says what it is. {BEST}", heads, rows),
        Table("What differs", "Only what is not the same in all of them.",
              ("", "", *names), _told(differing)),
        Table("What is the same", "Settings, images and machine that they share.",
              ("", "", "all"), _told(shared)),
        *(
            Table(f"Plan of {name}", "Filters that go, by group (computed).",
                  ("group", "filters that go"), rows)
            for name, rows in plans
        ),
    ]  # fmt: skip
    return report_page(
        title, sentences, svg=tradeoff_svg(picture, title=title), svg_caption=CAPTION,
        tables=tables, footer=footer,
    )  # fmt: skip


def shown(name: str, value: Any) -> Any:
    """A value as reports show it: what ``name`` gives in per cent ('accuracy, % (measured)') with
    one decimal and its sign, anything else as it is."""
    if ", %" in name and isinstance(value, int | float) and not isinstance(value, bool):
        return percent(value / 100)
    return value


def _told(rows: Sequence[tuple[str, str, Sequence[Any]]]) -> list[tuple[Any, ...]]:
    return [(section, name, *(shown(name, v) for v in values)) for section, name, values in rows]
