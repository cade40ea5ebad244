"""The report on compared runs, from plain values: the same from the app and from a shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sfp_viz.figures.marks import View
from sfp_viz.figures.report_page import Table, report_page
from sfp_viz.figures.tradeoff_svg import tradeoff_svg

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
    tables = [
        Table("Runs", f"Each number says what it is. {BEST}", *runs),
        Table("What differs", "Only what is not the same in all of them.",
              ("", "", *names), [(a, b, *values) for a, b, values in differing]),
        Table("What is the same", "Settings, images and machine that they share.",
              ("", "", "all"), [(a, b, *values) for a, b, values in shared]),
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
