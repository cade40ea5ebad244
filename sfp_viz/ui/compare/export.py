"""Export of a comparison: CSV of all runs, SVG of the chart, and a self-contained report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

import sfp_viz
from sfp_viz.core.comparison.tradeoff import Axis, Point, standings_by_key
from sfp_viz.core.network import Network
from sfp_viz.figures.tradeoff.marks import View
from sfp_viz.figures.tradeoff.run_report import run_report
from sfp_viz.figures.tradeoff.svg import tradeoff_svg
from sfp_viz.runs.results import differences
from sfp_viz.runs.results import table as run_table
from sfp_viz.runs.results.latencies import RunLatency
from sfp_viz.runs.results.points import RUN
from sfp_viz.runs.results.summary import Summary
from sfp_viz.text.pareto import STANDINGS, front_summary
from sfp_viz.ui.compare import headline
from sfp_viz.ui.compare.differences import MOST, columns


def buttons(
    network: Network,
    picture: View,
    points: Sequence[Point],
    runs: Sequence[Summary],
    axis: Axis,
    *,
    chosen: Sequence[Summary] = (),
    timed: Mapping[str, RunLatency] | None = None,
) -> None:
    """Draw the three downloads, each made on its click.

    Args:
        network: The unpruned network.
        picture: The chart as shown.
        points: The points on it.
        runs: All runs on these images.
        axis: Its cost axis.
        chosen: The selected runs.
        timed: Measured latencies by run id.
    """
    standings = {
        key.removeprefix(RUN): STANDINGS[standing]
        for key, standing in standings_by_key(points, axis).items()
    }

    def csv() -> str:
        return run_table.csv_text(*run_table.table(runs, standings=standings, timed=timed))

    def report() -> str:
        return _report(
            network, picture, points, runs, axis,
            chosen=chosen, standings=standings, timed=timed,
        )  # fmt: skip

    name = f"{network.name}-runs"
    kinds = (
        ("CSV", csv, "csv", "text/csv", "Every field of every run, with units and whether it was "
         "computed or measured."),
        ("SVG", lambda: tradeoff_svg(picture, title=_title(network)), "svg", "image/svg+xml",
         "The chart as shown, for a paper or a slide."),
        ("Report", report, "html", "text/html", "One HTML file with the chart, the table, and the "
         f"settings and plans of up to {MOST} selected runs. It opens offline and has no scripts."),
    )  # fmt: skip
    with st.container(horizontal=True):
        for label, make, ending, kind, note in kinds:
            st.download_button(
                label, make, file_name=f"{name}.{ending}", mime=kind, key=f"compare_{ending}",
                on_click="ignore", icon=":material/download:", help=note,
                disabled=not (runs or ending == "svg"),
            )  # fmt: skip


def _report(
    network: Network,
    picture: View,
    points: Sequence[Point],
    runs: Sequence[Summary],
    axis: Axis,
    *,
    chosen: Sequence[Summary],
    standings: Mapping[str, str],
    timed: Mapping[str, RunLatency] | None,
) -> str:
    labels = {p.key: p.label for p in points}
    side = list(chosen[:MOST]) or list(runs[:MOST])
    heads = columns([labels.get(RUN + run.id, run.id) for run in side])
    sizes = {group.name: group.size for group in network.groups}
    plans = [
        (head, differences.plan_rows(plan, sizes))
        for head, run in zip(heads, side, strict=True)
        if (plan := differences.plan_of(run.path)) is not None
    ]
    headlines = headline.finding(points, {RUN + run.id: run for run in runs})
    sentences = [s for s in (*headlines, front_summary(points, axis)) if s]
    return run_report(
        picture, title=_title(network), sentences=sentences,
        runs=run_table.table(runs, standings=standings, timed=timed), names=heads,
        differing=[(d.section, d.name, d.values) for d in differences.differing_rows(side)],
        shared=[(d.section, d.name, d.values) for d in differences.shared_rows(side)],
        plans=plans,
        footer=f"Made by sfp-viz {sfp_viz.__version__}, {datetime.now():%Y-%m-%d %H:%M}. "
        f"Weights {network.digest}.",
    )  # fmt: skip


def _title(network: Network) -> str:
    return f"{network.name}: accuracy against cost"
