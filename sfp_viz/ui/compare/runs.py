"""The Compare page's view of runs: accuracy against cost, and what a click on it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from sfp_viz.core.comparison.tradeoff import Axis, Point, on_axis
from sfp_viz.core.network import Network
from sfp_viz.figures.tradeoff.marks import view
from sfp_viz.figures.tradeoff.tradeoff import MOST_BARS
from sfp_viz.runs.results.latencies import WHOLE, RunLatency
from sfp_viz.runs.results.points import RUN
from sfp_viz.runs.results.summary import Summary, finished_runs
from sfp_viz.text import pareto
from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.compare import baselines as compare_baselines
from sfp_viz.ui.compare import chart as compare_chart
from sfp_viz.ui.compare import differences as compare_differences
from sfp_viz.ui.compare import export as compare_export
from sfp_viz.ui.compare import headline
from sfp_viz.ui.compare import latency as compare_latency
from sfp_viz.ui.compare import point_card as compare_card
from sfp_viz.ui.compare import points as compare_points
from sfp_viz.ui.compare import published as compare_published
from sfp_viz.ui.session import state, view_options

AXES: Mapping[str, Axis] = {"MACs": "macs", "Params": "params", "Latency": "latency"}


def page(network: Network) -> None:
    """The whole view."""
    session = state.session()
    every = finished_runs(loaders.home(), network.digest)
    st.markdown(
        "Is the plan better than pruning the plain way to the same cost? Up and to the left is "
        "better."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        data = image_field.ask_images(network, key="compare_images")
        with st.container(width="content"):
            st.caption("Accuracy against")
            axis = AXES[view_options.option_control("against", "Accuracy against")]
        layer = compare_published.toggle(axis)
        clicked = st.button(
            "Measure one-shot accuracies", disabled=not (data and network.free),
            key="measure_one_shot",
            help="The accuracy right after pruning, before any fine-tuning: of this plan, of "
            "uniform L1, and of random pruning, all to the same MACs and repaired alike.",
        )  # fmt: skip
    subject = Subject(session.model, session.request, data)
    if clicked:
        _measure(subject)
    same = {image_field.images_name(network), _whole_path(image_field.images_name(network))}
    runs = [run for run in every if run.data in same]
    timed = _timed(runs, network) if axis == "latency" else {}
    points = _points(subject, runs, network, timed)
    if not points and not layer:
        st.caption(
            "Nothing has been measured yet. The button prunes copies by this plan, by uniform L1 "
            "and at random (three times), all to the same MACs, and measures each."
        )
    else:
        _picture(network, points, runs, axis, layer=layer, timed=timed, subject=subject)
    if other := len(every) - len(runs):
        st.caption(f"{other} runs used other images, so they are not on this chart.")
    if points and network.free:
        st.subheader("Fine-tune a baseline too")
        compare_baselines.buttons(subject, runs)


def _whole_path(name: str) -> str:
    """Images in a file or folder, as runs name them."""
    return str(Path(name).expanduser().absolute()) if name else ""


def _measure(subject: Subject) -> None:
    place = st.empty()
    with problems.stopping(), place.status("Pruning and measuring", expanded=True):
        found = []
        for point in compare_points.measured(subject):
            st.write(point.label)
            found.append(point)
        compare_points.keep(subject, found)
    place.empty()


def _timed(runs: Sequence[Summary], network: Network) -> Mapping[str, RunLatency]:
    measured = compare_latency.known(runs, network)
    where = compare_latency.choose(measured)
    timed = measured[where] if where else {}
    compare_latency.panel(runs, network, timed)
    return timed


def _points(
    subject: Subject, runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]
) -> list[Point]:
    one_shot: list[Point] = []
    with problems.shown():
        if subject.data:
            one_shot, when = compare_points.known(subject)
            if when:
                st.caption(f"The accuracies right after pruning: {when[0].lower()}{when[1:]}")
    return compare_points.together(one_shot, compare_points.trained(runs, network, timed))


def _picture(
    network: Network,
    points: Sequence[Point],
    runs: Sequence[Summary],
    axis: Axis,
    *,
    layer: bool,
    timed: Mapping[str, RunLatency],
    subject: Subject,
) -> None:
    known = {RUN + run.id: run for run in runs}
    text, how = headline.finding(points, known, subject.recipe.compensation)
    if text:
        st.markdown(f"**{problems.plain(text)}**")
        st.caption(problems.plain(how))
    published = compare_published.rows(network, axis) if layer else None
    picture = view(points, axis=axis, published=published)
    compare_chart.chart(picture, points, axis)
    _legend(points, axis)
    chosen = compare_chart.chosen(points)
    by_key = {RUN + run.id: run for run in runs}
    mine = [by_key[point.key] for point in chosen if point.key in by_key]
    with problems.shown():
        if len(mine) > 1:
            labels = {p.key: p.label for p in points}
            compare_differences.table(mine, [labels[RUN + run.id] for run in mine])
        elif chosen:
            _card(chosen[0], points, axis, by_key, timed, subject, network)
    compare_chart.table(points, by_key, axis)
    compare_export.buttons(network, picture, points, runs, axis, chosen=mine, timed=timed or None)


def _card(
    point: Point,
    points: Sequence[Point],
    axis: Axis,
    runs: Mapping[str, Summary],
    timed: Mapping[str, RunLatency],
    subject: Subject,
    network: Network,
) -> None:
    run = runs.get(point.key)
    name = run.id if run else WHOLE + network.digest if point.kind == "unpruned" else ""
    made = compare_points.subjects(subject).get(point.key) if point.stage == "one-shot" else None
    compare_card.card(
        point, points, axis, run=run, subject=made[1] if made else None, timed=timed.get(name)
    )


def _legend(points: Sequence[Point], axis: Axis) -> None:
    text = pareto.front_summary(points, axis)
    if text:
        text = f"On the front: no other point costs no more and is more accurate. {text}"
    left = len(points) - len(on_axis(points, axis))
    if left:
        why = "latency was not measured" if axis == "latency" else "params are not known"
        text += f" {left} points are not on the chart: their {why}."
    if len(points) > MOST_BARS:
        text += " The intervals of so many points are in the table, and where the mouse is."
    st.caption(
        f"{text} Click a point, or rows of the table, to open its plan or to see what differs."
    )
