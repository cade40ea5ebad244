"""The report on compared runs, from plain values: the same in the app and on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfp_viz.figures.tradeoff.marks import View
from sfp_viz.figures.tradeoff.page import Table, report_page
from sfp_viz.figures.tradeoff.svg import tradeoff_svg
from sfp_viz.text.numbers import percent

CAPTION = (
    "Hollow: one-shot. Filled: fine-tuned. Bars: 95 % intervals of accuracies, quartiles of "
    "latencies. Dotted: Pareto front of these points."
)
BEST = (
    "The best epoch was chosen on the test images, so its accuracy is slightly optimistic; that of "
    "the last epoch is not."
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
    """The report as one HTML file: chart, all runs, their differences and common settings, plans.

    Args:
        picture: The chart.
        title: Title of the report.
        sentences: Its first paragraphs.
        runs: Heads and rows of the table of all runs.
        names: Names of the runs whose settings and plans are shown.
        differing: Settings that differ: (section, name, one value for each of ``names``).
        shared: Settings that are the same: (section, name, the one value).
        plans: For each run its name and (group, number of pruned filters).
        footer: A line at the end.
    """
    heads, rows = runs
    rows = [
        [report_value(head, cell) for head, cell in zip(heads, row, strict=True)] for row in rows
    ]
    tables = [
        Table("Runs", BEST, heads, rows),
        Table("Differences", "Only settings that are not the same in all runs.",
              ("", "", *names), _rows(differing)),
        Table("Common settings", "Settings, images and machine that all runs share.",
              ("", "", "all"), _rows(shared)),
        *(
            Table(f"Plan of {name}", "Pruned filters by group (computed).",
                  ("group", "pruned filters"), rows)
            for name, rows in plans
        ),
    ]  # fmt: skip
    return report_page(
        title, sentences, svg=tradeoff_svg(picture, title=title), svg_caption=CAPTION,
        tables=tables, footer=footer,
    )  # fmt: skip


def report_value(name: str, value: Any) -> Any:
    """A value as reports show it: per cent with one decimal and its sign if ``name`` says so, as in
    'accuracy, % (measured)'; other values unchanged.

    Args:
        name: Head of the column.
        value: Any value.
    """
    if ", %" in name and isinstance(value, int | float) and not isinstance(value, bool):
        return percent(value / 100)
    return value


def _rows(rows: Sequence[tuple[str, str, Sequence[Any]]]) -> list[tuple[Any, ...]]:
    return [
        (section, name, *(report_value(name, v) for v in values)) for section, name, values in rows
    ]
