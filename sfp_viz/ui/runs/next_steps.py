"""Buttons of a finished training: open its plan, compare it, export its network."""

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

_OTHER_FILTERS = (
    "The plan was opened, but it prunes other filters than in that run: the image evidence has "
    "changed since."
)


def buttons(run: Run) -> None:
    """Draw the buttons of ``run``; nothing before it has a result."""
    if run.result is None:
        return
    with st.container(horizontal=True):
        if (run.path / "plan.json").is_file():
            plan_button(run, key="run_plan")
        if st.button("Compare", key="run_compare", icon=":material/scatter_plot:"):
            st.switch_page("pages/compare.py")
        export_button(run, key="run_export")


def plan_button(run: Run | Summary, *, key: str, main: bool = False) -> None:
    """Draw the button that opens the plan of the run, as one step of undo.

    Args:
        run: The run.
        key: Key of the button.
        main: Whether it is the primary button.
    """
    kind = "primary" if main else "secondary"
    if not st.button("Open plan", key=key, icon=":material/tune:", type=kind):
        return
    with problems.catch():
        plan = plan_of(run.path)
        if plan is None:
            raise RunError(
                "This run has no plan: it was started from a network file, or its folder was "
                "deleted. Open the run to see its settings."
            )
        if run.kind == sparsify.KIND:  # its plan applies to the weights that it trained
            with st.spinner("Reading the trained network"):
                sparsify_result.open_plan(run.path)
            st.switch_page("pages/plan.py")
        state.change(recipe=plan.recipe, edits=plan.edits, run=run.id)
        session = state.session()
        subject = session.model, session.request
        out_of_reach = planned.cost(*subject).after is None
        if out_of_reach or planned.plan(*subject).hash != plan.hash:
            st.toast(_OTHER_FILTERS, icon=":material/info:")
        st.switch_page("pages/plan.py")


def export_button(run: Run | Summary, *, key: str) -> None:
    """Draw the button that opens the Export page with the network of the run selected.

    Args:
        run: The run.
        key: Key of the button.
    """
    if st.button("Export", key=key, icon=":material/download:"):
        state.change(run=run.id)
        st.session_state["export_source"] = run.id  # the choice on the page Export
        st.switch_page("pages/export.py")
