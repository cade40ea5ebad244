"""The view of runs on the Compare page: accuracy against cost, and what a click opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from sfp_viz.core.comparison.tradeoff import Axis, Point, with_known_cost
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
from sfp_viz.ui.compare import headline, point_card
from sfp_viz.ui.compare import latency as compare_latency
from sfp_viz.ui.compare import points as compare_points
from sfp_viz.ui.compare import published as compare_published
from sfp_viz.ui.session import state, view_options

AXES: Mapping[str, Axis] = {"MACs": "macs", "Params": "params", "Latency": "latency"}


def page(network: Network) -> None:
    """Draw the view."""
    session = state.session()
    all_runs = finished_runs(loaders.home(), network.digest)
    st.markdown(
        "Is the plan better than simple baselines at the same cost? Up and to the left is better."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        data = image_field.ask_images(network, key="compare_images")
        with st.container(width="content"):
            st.caption("Accuracy against")
            axis = AXES[view_options.option_control("against", "Accuracy against")]
        show_published = compare_published.toggle(axis)
        clicked = st.button(
            "Measure one-shot accuracies", disabled=not (data and network.free),
            key="measure_one_shot",
            help="The accuracy right after pruning, before any fine-tuning: of this plan, "
            "uniform L1 and random pruning, all with the same MACs and compensation.",
        )  # fmt: skip
    subject = Subject(session.model, session.request, data)
    if clicked:
        _measure(subject)
    names = {image_field.images_name(network), _whole_path(image_field.images_name(network))}
    runs = [run for run in all_runs if run.data in names]
    timed = _timed(runs, network) if axis == "latency" else {}
    points = _points(subject, runs, network, timed)
    if not points and not show_published:
        st.caption(
            "Nothing has been measured yet. The button prunes copies of the network by this "
            "plan, by uniform L1 and at random (three seeds), all to the same MACs, and measures "
            "them."
        )
    else:
        _picture(
            network, points, runs, axis, show_published=show_published, timed=timed, subject=subject
        )
    if elsewhere := len(all_runs) - len(runs):
        st.caption(f"Runs with other images, not on this chart: {elsewhere}.")
    if points and network.free:
        st.subheader("Fine-tune a baseline")
        compare_baselines.buttons(subject, runs)


def _whole_path(name: str) -> str:
    """The name of images in a file or folder in the records of runs."""
    return str(Path(name).expanduser().absolute()) if name else ""


def _measure(subject: Subject) -> None:
    place = st.empty()
    with problems.catch_and_stop(), place.status("Pruning and measuring", expanded=True):
        points = []
        for point in compare_points.measure_one_shot(subject):
            st.write(point.label)
            points.append(point)
        compare_points.save(subject, points)
    place.empty()


def _timed(runs: Sequence[Summary], network: Network) -> Mapping[str, RunLatency]:
    measured = compare_latency.measured_latencies(runs, network)
    condition = compare_latency.choose(measured)
    timed = measured[condition] if condition else {}
    compare_latency.panel(runs, network, timed)
    return timed


def _points(
    subject: Subject, runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]
) -> list[Point]:
    one_shot: list[Point] = []
    with problems.catch():
        if subject.data:
            one_shot, when = compare_points.saved_points(subject)
            if when:
                st.caption(f"One-shot accuracies: {when[0].lower()}{when[1:]}")
    return compare_points.combine(one_shot, compare_points.trained_points(runs, network, timed))


def _picture(
    network: Network,
    points: Sequence[Point],
    runs: Sequence[Summary],
    axis: Axis,
    *,
    show_published: bool,
    timed: Mapping[str, RunLatency],
    subject: Subject,
) -> None:
    by_key = {RUN + run.id: run for run in runs}
    text, how = headline.finding(points, by_key, subject.recipe.compensation)
    if text:
        st.markdown(f"**{problems.plain(text)}**")
        st.caption(problems.plain(how))
    published = compare_published.rows(network, axis) if show_published else None
    picture = view(points, axis=axis, published=published)
    compare_chart.chart(picture, points, axis)
    _legend(points, axis)
    chosen = compare_chart.selected_points(points)
    chosen_runs = [by_key[point.key] for point in chosen if point.key in by_key]
    with problems.catch():
        if len(chosen_runs) > 1:
            labels = {p.key: p.label for p in points}
            heads = [labels[RUN + run.id] for run in chosen_runs]
            compare_differences.table(chosen_runs, heads)
        elif chosen:
            _card(chosen[0], points, axis, by_key, timed, subject, network)
    compare_chart.table(points, by_key, axis)
    compare_export.buttons(
        network, picture, points, runs, axis, chosen=chosen_runs, timed=timed or None
    )


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
    subjects = compare_points.subjects(subject) if point.stage == "one-shot" else {}
    _, plan = subjects.get(point.key, ("", None))
    point_card.card(point, points, axis, run=run, subject=plan, timed=timed.get(name))


def _legend(points: Sequence[Point], axis: Axis) -> None:
    text = pareto.front_summary(points, axis)
    if text:
        text += (
            " A network is on the front if no other one is more accurate at the same cost or less."
        )
    omitted = len(points) - len(with_known_cost(points, axis))
    if omitted:
        reason = "latency not measured" if axis == "latency" else "params not known"
        text += f" Not on the chart: {omitted} ({reason})."
    if len(points) > MOST_BARS:
        text += " With so many points, intervals are shown in the table and on hover only."
    st.caption(
        f"{text} Click a point to open its plan; select several rows of the table to see "
        "differences."
    )
