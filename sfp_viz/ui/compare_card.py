"""The card of a chosen point: what it is, how it stands, and the ways on from it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.core.tradeoff import Axis, Point, changed
from sfp_viz.errors import RunError
from sfp_viz.figures.numbers import count, milliseconds, percent, signed, span
from sfp_viz.runs import sparsify
from sfp_viz.runs.differing import plan_of
from sfp_viz.runs.latencies import Timed
from sfp_viz.runs.summary import Summary
from sfp_viz.ui import compare_chart, compare_words, planned, problems, sparsify_result, state
from sfp_viz.ui.starting import Subject

_OTHER = (
    "The plan was opened. It cuts other filters than that run did: what was seen of images has "
    "changed since."
)


def card(
    point: Point,
    points: Sequence[Point],
    axis: Axis,
    *,
    run: Summary | None = None,
    subject: Subject | None = None,
    timed: Timed | None = None,
) -> None:
    """The card; ``run`` or ``subject`` is what the point was made of, where it was."""
    with st.container(border=True, key="compare_card"):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown(f"**{problems.plain(point.label)}**")
            st.button(
                "Close", key="card_close", on_click=compare_chart.choose, type="tertiary",
                icon=":material/close:",
            )  # fmt: skip
        _metrics(point, run, timed)
        st.caption(problems.plain(_facts(point, run, timed)))
        if text := compare_words.standing(points, axis, point.key):
            st.markdown(problems.plain(text))
        with st.container(horizontal=True):
            if run is not None:
                _run_ways(run)
            elif subject is not None:
                _subject_ways(subject)


def open_plan(subject: Subject) -> None:
    """Put recipe and edits into the session, as one step of undo."""
    state.change(recipe=subject.recipe, edits=subject.edits)


def _metrics(point: Point, run: Summary | None, timed: Timed | None) -> None:
    with st.container(horizontal=True):
        st.metric("Accuracy, last epoch" if run else "Accuracy", percent(point.accuracy))
        if run is not None:
            st.metric(
                f"Best epoch ({run.best_epoch} of {run.epochs})", percent(run.best),
                help="The best epoch was chosen on the test images, so its accuracy reads a "
                "little high. The last epoch's does not; that one is compared.",
            )  # fmt: skip
        st.metric("MACs", count(point.macs))
        if point.params:
            st.metric("Params", count(point.params))
        if timed is not None:
            st.metric("Latency", milliseconds(timed.ms))


def _facts(point: Point, run: Summary | None, timed: Timed | None) -> str:
    change = changed(point)
    text = f"Accuracy measured on {point.images:,} test images" if point.images else "Measured"
    text += f", 95 % interval {span(point.interval)}" if point.interval else ""
    if change is not None and point.kind != "unpruned":
        text += f"; {signed(100 * change)} points against the unpruned network"
    text += ". MACs and params counted"
    if timed is not None:
        low, high = timed.iqr
        text += (
            f". Latency measured: the median of {timed.repeats}, quartiles {milliseconds(low)} to "
            f"{milliseconds(high)}, {timed.condition}"
        )
    return text + (f". Run {run.id}." if run else ".")


def _run_ways(run: Summary) -> None:
    if st.button("Open its plan", key="card_plan", icon=":material/tune:", type="primary"):
        with problems.shown():
            plan = plan_of(run.path)
            if plan is None:
                raise RunError(
                    "This run has no plan: it was started from a network's file, or its folder "
                    "is gone. Open the run to see its settings."
                )
            if run.kind == sparsify.KIND:  # its plan is of the weights that it trained
                with st.spinner("Reading the trained network"):
                    sparsify_result.open_plan(run.path)
                st.switch_page("pages/plan.py")
            state.change(recipe=plan.recipe, edits=plan.edits, run=run.id)
            now = state.session()
            if planned.budget(now.model, now.recipe, now.edits).after is None or (
                planned.plan(now.model, now.recipe, now.edits).hash != plan.hash
            ):
                st.toast(_OTHER, icon=":material/info:")
            st.switch_page("pages/plan.py")
    if st.button("Open the run", key="card_run", icon=":material/show_chart:"):
        state.change(run=run.id)
        st.switch_page("pages/finetune.py")
    if st.button("Export", key="card_export", icon=":material/download:"):
        state.change(run=run.id)
        st.session_state["export_source"] = run.id  # the choice on the page Export
        st.switch_page("pages/export.py")


def _subject_ways(subject: Subject) -> None:
    if st.button("Open its plan", key="card_plan", icon=":material/tune:", type="primary"):
        open_plan(subject)
        st.switch_page("pages/plan.py")
    if subject.kind == "plan" and st.button(
        "Export", key="card_export", icon=":material/download:"
    ):
        st.session_state["export_source"] = ""
        st.switch_page("pages/export.py")
