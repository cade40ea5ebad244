"""The ways on from a finished training: its plan, the comparison, the files to take along."""

from __future__ import annotations

import streamlit as st

from sfp_viz.errors import RunError
from sfp_viz.runs.results.differences import plan_of
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage import sparsify
from sfp_viz.runs.storage.records import Run
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.runs import sparsify_result
from sfp_viz.ui.session import state

_OTHER = (
    "The plan was opened. It cuts other filters than that run did: what was seen of images has "
    "changed since."
)


def ways(run: Run) -> None:
    """What can be done with the result of ``run``; nothing before there is one."""
    if run.result is None:
        return
    with st.container(horizontal=True):
        if (run.path / "plan.json").is_file():
            open_plan(run, key="run_plan")
        if st.button("Compare", key="run_compare", icon=":material/scatter_plot:"):
            st.switch_page("pages/compare.py")
        export(run, key="run_export")


def open_plan(run: Run | Summary, *, key: str, main: bool = False) -> None:
    """The button that opens the plan by which ``run`` was cut, as one step of undo."""
    kind = "primary" if main else "secondary"
    if not st.button("Open its plan", key=key, icon=":material/tune:", type=kind):
        return
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
        if planned.budget(now.model, now.request).after is None or (
            planned.plan(now.model, now.request).hash != plan.hash
        ):
            st.toast(_OTHER, icon=":material/info:")
        st.switch_page("pages/plan.py")


def export(run: Run | Summary, *, key: str) -> None:
    """The button that goes to the page Export, where the network of ``run`` is chosen."""
    if st.button("Export", key=key, icon=":material/download:"):
        state.change(run=run.id)
        st.session_state["export_source"] = run.id  # the choice on the page Export
        st.switch_page("pages/export.py")
