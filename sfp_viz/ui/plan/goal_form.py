"""The goal of the plan: a share of MACs, params, memory or latency to save, or a maximum loss."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.allocation.feasibility import best_relaxation, largest_reduction
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.text.plan.feasibility import reachable, relaxation_text
from sfp_viz.text.recipe import CHOICE_NAMES, goal_name
from sfp_viz.ui import problems
from sfp_viz.ui.cached import evidence, planned
from sfp_viz.ui.recipe import actions, request_edits
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_start


def goal_form(network: Network, request: Request) -> None:
    """Draw the fields for the cost to reduce, the share to save, and a limit of the accuracy loss.

    Args:
        network: The network.
        request: Recipe and edits.
    """
    _kind(network, request)
    _target(network, request)
    _by_accuracy(network, request)


def _kind(network: Network, request: Request) -> None:
    key, shown = f"plan_goal_{state.revision()}", request.recipe.goal

    def on_change() -> None:
        goal = st.session_state.get(key) or shown
        if goal != shown:  # an interrupted run reports what it showed as new
            actions.apply_request(
                request_edits.with_target(network, request, replace(request.recipe, goal=goal))
            )

    st.segmented_control(
        "Reduce", list(CHOICE_NAMES["goal"]), default=shown, required=True, key=key,
        format_func=lambda goal: CHOICE_NAMES["goal"][goal], on_change=on_change,
    )  # fmt: skip


def _target(network: Network, request: Request) -> None:
    key = f"plan_target_{state.revision()}"
    shown = round(100 * request.recipe.target_reduction)

    def on_change() -> None:
        if st.session_state[key] == shown:  # an interrupted run reports what it showed as new
            return
        recipe = replace(request.recipe, target_reduction=st.session_state[key] / 100)
        after = request_edits.with_target(network, request, recipe)
        if request.edits.ratios and not after.edits.ratios:
            st.toast("Manual widths were reset. Undo restores them.")
        actions.apply_request(after)

    st.slider(
        f"Target: {goal_name(request.recipe.goal)} to save",
        0, 99, shown, 1,
        format="%d %%", key=key, on_change=on_change, width=340,
    )  # fmt: skip


def _by_accuracy(network: Network, request: Request) -> None:
    """The largest saving that is predicted to lose at most so many points of accuracy."""
    available = evidence.evidence(state.session().model)
    with st.popover("Limit accuracy loss", icon=":material/straighten:"):
        st.markdown(
            f"**Largest saving of {goal_name(request.recipe.goal)} with a loss of at most**"
        )
        if available.sensitivity is None:
            st.caption(
                "This needs the sensitivity of each group: one-shot accuracy with one group "
                "pruned at a time. It is measured once, in the background."
            )
            study_start.start_button(network, "sensitivity", "Measure sensitivity", place="goal")
            return
        points = st.number_input(
            "Percentage points of one-shot accuracy", 0.1, 90.0, 2.0, 0.5, key="plan_points",
            help="Predicted from the sensitivity, before any fine-tuning.",
        )  # fmt: skip
        if st.button("Apply as target", key="plan_by_points", type="primary"):
            with problems.catch():
                actions.apply_request(Request(limit_loss(request, points), request.edits))
                st.rerun()
        st.caption("Estimated by combining the loss of each group pruned alone.")


def limit_loss(request: Request, points: float) -> Recipe:
    """The recipe with the largest target that is predicted to lose at most ``points`` of accuracy.

    Args:
        request: Recipe and edits.
        points: Percentage points of one-shot accuracy, above 0.
    """
    from sfp_viz.core.allocation.accuracy_target import losing_at_most

    return losing_at_most(planned.problem(state.session().model, request), points)


def out_of_reach(network: Network, request: Request, message: str) -> None:
    """Why the target cannot be reached, with a button for each solution.

    Args:
        network: The network.
        request: Recipe and edits.
        message: The reason, in a sentence.
    """
    problem = Problem(network, request, evidence.evidence(state.session().model))
    st.error(problems.plain(message), icon=":material/error:")
    with problems.catch(), st.container(horizontal=True):
        nearest = largest_reduction(problem)
        if nearest < request.recipe.target_reduction:
            lower = replace(request, recipe=replace(request.recipe, target_reduction=nearest))
            st.button(
                f"Use {reachable(nearest)} instead", type="primary", key="plan_lower",
                on_click=actions.apply_request, args=(lower,),
            )  # fmt: skip
        if relaxation := best_relaxation(problem):
            st.button(
                problems.plain(relaxation_text(relaxation)), key="plan_lift",
                on_click=actions.apply_request, args=(relaxation.request,),
            )  # fmt: skip
        if request.edits:
            unedited = replace(request, edits=Edits(network.digest))
            st.button(
                "Undo all manual changes", key="plan_reset",
                on_click=actions.apply_request, args=(unedited,),
            )  # fmt: skip
