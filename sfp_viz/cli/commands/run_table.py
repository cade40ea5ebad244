"""``sfp-viz runs table``: finished runs side by side, as text, CSV, SVG or a report."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

import sfp_viz
from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.core.comparison.tradeoff import Axis, Point, standings_by_key
from sfp_viz.errors import RunError
from sfp_viz.files import write_text
from sfp_viz.runs.folder import home
from sfp_viz.runs.results import differences
from sfp_viz.runs.results import table as run_table
from sfp_viz.runs.results.latencies import RunLatency, latencies_of_runs, read_latencies
from sfp_viz.runs.results.points import RUN, best_epoch_text, points_of
from sfp_viz.runs.results.summary import Summary, finished_runs
from sfp_viz.text.numbers import count, milliseconds, percent, span
from sfp_viz.text.pareto import STANDINGS, front_summary

_FILE = click.Path(path_type=Path, dir_okay=False)

_MOST = 6  # runs whose plans and differences are in the report


@click.command("table")
@click.option(
    "--weights", metavar="DIGEST", help="Only runs of these weights; the first digits are enough."
)
@click.option("--data", help="Only runs with these images.")
@click.option(
    "--against", type=click.Choice(["macs", "params", "latency"]), default="macs",
    show_default=True, help="The cost against which accuracy is shown.",
)  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with every field.")
@click.option("--svg", type=_FILE, help="Write the chart to this file.")
@click.option("--html", type=_FILE, help="Write a self-contained report to this file.")
@with_json
def table_command(
    weights: str | None,
    data: str | None,
    against: Axis,
    as_csv: bool,
    svg: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare finished runs, and mark the Pareto front.

    Accuracy of the last and the best epoch, and cost.
    """
    runs = _asked(weights, data)
    timed = _timed(runs)
    standings = _standings(runs, against, timed)
    heads, rows = run_table.table(runs, standings=standings, timed=timed)
    if as_csv:
        click.echo(run_table.csv_text(heads, rows), nl=False)
    elif not (svg or html) or as_json:
        value = [dict(zip(heads, row, strict=True)) for row in rows]
        print_result(value, _text(runs, standings, timed), as_json=as_json)
    if svg or html:
        _pictures(runs, against, timed, svg=svg, html=html, rows=(heads, rows))
        if not (as_csv or as_json):
            click.echo(f"Written to {' and '.join(str(file) for file in (svg, html) if file)}.")


def _asked(weights: str | None, data: str | None) -> tuple[Summary, ...]:
    return tuple(
        run for run in finished_runs(home())
        if run.digest.startswith(weights or "") and data in (None, run.data)
    )  # fmt: skip


def _timed(runs: Sequence[Summary]) -> Mapping[str, RunLatency]:
    """The latencies of the condition under which most of these runs were measured."""
    by_condition = [latencies_of_runs(timed, runs) for timed in read_latencies(home()).values()]
    ids = {run.id for run in runs}
    return max(by_condition, key=lambda timed: len(ids & timed.keys()), default={})


def _standings(
    runs: Sequence[Summary], axis: Axis, timed: Mapping[str, RunLatency]
) -> dict[str, str]:
    """How each run stands to the front of those with the same weights and images, by its id."""
    standings = {}

    def place(run: Summary) -> tuple[str, str]:
        return run.digest, run.data

    for _, alike in itertools.groupby(sorted(runs, key=place), place):
        for key, standing in standings_by_key(points_of(list(alike), timed=timed), axis).items():
            standings[key.removeprefix(RUN)] = STANDINGS[standing]
    return standings


def _text(
    runs: Sequence[Summary], standings: Mapping[str, str], timed: Mapping[str, RunLatency]
) -> str:
    if not runs:
        return f"No finished runs in {home() / 'runs'} yet. Start one with 'sfp-viz finetune NET'."
    heads = ["run", "pruned by", "data", "MACs (counted)", "params", "last (measured)", "95 %",
             "best epoch*", "front"]  # fmt: skip
    rows = [
        [
            run.id, run.recipe or run.pruned_by, run.data, count(run.macs), count(run.params),
            percent(run.accuracy), span(run.interval),
            _best(run), standings.get(run.id, ""),
            *([milliseconds(timed[run.id].ms) if run.id in timed else ""] if timed else []),
        ]
        for run in runs
    ]  # fmt: skip
    heads += ["latency (measured)"] if timed else []
    text = table(heads, rows)
    text += "\n\n* chosen on the test images, so it reads a little high."
    if timed:
        text += f"\nLatency: {next(iter(timed.values())).condition}."
    return text


def _best(run: Summary) -> str:
    """The best epoch, and among which it was chosen."""
    where = best_epoch_text(run).replace(" of ", "/")
    return f"{percent(run.best)} at {where}" if where else "not fine-tuned"


def _pictures(
    runs: Sequence[Summary],
    axis: Axis,
    timed: Mapping[str, RunLatency],
    *,
    svg: Path | None,
    html: Path | None,
    rows: tuple[Sequence[str], Sequence[run_table.Row]],
) -> None:
    from sfp_viz.figures.tradeoff.marks import view
    from sfp_viz.figures.tradeoff.svg import tradeoff_svg

    _of_one_kind(runs)
    points = points_of(runs, timed=timed)
    picture = view(points, axis=axis)
    name = str(runs[0].facts.get("model") or runs[0].name)
    title = f"{name}: accuracy against cost"
    if svg:
        write_text(svg, tradeoff_svg(picture, title=title))
    if html:
        write_text(html, _report(runs, points, axis, title, rows))


def _of_one_kind(runs: Sequence[Summary]) -> None:
    """Raises RunError where the runs may not share an axis."""
    if not runs:
        raise RunError("No finished run matches, so there is nothing to draw.")
    for what, option, names in (
        ("networks", "--weights", {run.digest for run in runs}),
        ("images", "--data", {run.data for run in runs}),
    ):
        if len(names) > 1:
            raise RunError(
                f"These runs have different {what} and cannot share an axis. Choose with "
                f"{option}: {', '.join(sorted(names))}."
            )


def _report(
    runs: Sequence[Summary],
    points: Sequence[Point],
    axis: Axis,
    title: str,
    rows: tuple[Sequence[str], Sequence[run_table.Row]],
) -> str:
    from sfp_viz.figures.tradeoff.marks import view
    from sfp_viz.figures.tradeoff.run_report import run_report

    side = runs[:_MOST]
    plans = [
        (run.id, differences.plan_rows(plan))
        for run in side
        if (plan := differences.plan_of(run.path)) is not None
    ]
    words = front_summary(points, axis)
    return run_report(
        view(points, axis=axis), title=title, sentences=[words] if words else [], runs=rows,
        names=[run.id for run in side],
        differing=[(d.section, d.name, d.values) for d in differences.differing_rows(side)],
        shared=[(d.section, d.name, d.values) for d in differences.shared_rows(side)],
        plans=plans,
        footer=f"Made by sfp-viz {sfp_viz.__version__}, {datetime.now():%Y-%m-%d %H:%M}. "
        f"Weights {runs[0].digest}.",
    )  # fmt: skip
