"""The card of the selected point: what it is, how it compares, and its buttons."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.core.comparison.tradeoff import Axis, Point, accuracy_change
from sfp_viz.runs.results.latencies import RunLatency
from sfp_viz.runs.results.points import best_epoch_text
from sfp_viz.runs.results.summary import Summary
from sfp_viz.text import pareto
from sfp_viz.text.numbers import count, milliseconds, percent, signed, span
from sfp_viz.ui import problems
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.compare import chart as compare_chart
from sfp_viz.ui.runs import next_steps
from sfp_viz.ui.session import state


def card(
    point: Point,
    points: Sequence[Point],
    axis: Axis,
    *,
    run: Summary | None = None,
    subject: Subject | None = None,
    timed: RunLatency | None = None,
) -> None:
    """Draw the card.

    Args:
        point: The selected point.
        points: All points of the chart.
        axis: Its cost axis.
        run: The run of a fine-tuned point.
        subject: The plan of a one-shot point.
        timed: The measured latency, None if not measured.
    """
    with st.container(border=True, key="compare_card"):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown(f"**{problems.plain(point.label)}**")
            st.button(
                "Close", key="card_close", on_click=compare_chart.choose, type="tertiary",
                icon=":material/close:",
            )  # fmt: skip
        _metrics(point, run, timed)
        st.caption(problems.plain(_facts(point, run, timed)))
        if text := pareto.standing_sentence(points, axis, point.key):
            st.markdown(problems.plain(text))
        with st.container(horizontal=True):
            if run is not None:
                _run_buttons(run)
            elif subject is not None:
                _subject_buttons(subject)


def open_plan(subject: Subject) -> None:
    """Make recipe and edits those of the session, as one step of undo."""
    state.change(recipe=subject.recipe, edits=subject.edits)


def _metrics(point: Point, run: Summary | None, timed: RunLatency | None) -> None:
    with st.container(horizontal=True):
        st.metric("Accuracy (last epoch)" if run else "Accuracy", percent(point.accuracy))
        if run is not None and (epoch_text := best_epoch_text(run)):
            st.metric(
                f"Best epoch ({epoch_text})", percent(run.best),
                help="The best epoch was chosen on the test images, so its accuracy is slightly "
                "optimistic. Comparisons use the last epoch.",
            )  # fmt: skip
        st.metric("MACs", count(point.macs))
        if point.params:
            st.metric("Params", count(point.params))
        if timed is not None:
            st.metric("Latency", milliseconds(timed.ms))


def _facts(point: Point, run: Summary | None, timed: RunLatency | None) -> str:
    change = accuracy_change(point)
    text = f"Accuracy measured on {point.images:,} test images" if point.images else "Measured"
    text += f", 95 % interval {span(point.interval)}" if point.interval else ""
    if change is not None and point.kind != "unpruned":
        text += f"; {signed(100 * change)} points compared with the unpruned network"
    text += ". MACs and params counted"
    if timed is not None:
        low, high = timed.iqr
        text += (
            f". Latency measured: median of {timed.repeats} passes, quartiles "
            f"{milliseconds(low)} to {milliseconds(high)}, {timed.condition}"
        )
    return text + (f". Run {run.id}." if run else ".")


def _run_buttons(run: Summary) -> None:
    next_steps.plan_button(run, key="card_plan", main=True)
    if st.button("Open run", key="card_run", icon=":material/show_chart:"):
        state.change(run=run.id)
        st.switch_page("pages/finetune.py")
    next_steps.export_button(run, key="card_export")


def _subject_buttons(subject: Subject) -> None:
    if st.button("Open plan", key="card_plan", icon=":material/tune:", type="primary"):
        open_plan(subject)
        st.switch_page("pages/plan.py")
    if subject.kind == "plan" and st.button(
        "Export", key="card_export", icon=":material/download:"
    ):
        st.session_state["export_source"] = ""
        st.switch_page("pages/export.py")
