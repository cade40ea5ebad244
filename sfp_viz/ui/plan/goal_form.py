"""What the plan is to reach: a share of MACs, params, memory or latency, or a loss not exceeded."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.allocation.feasibility import best_lift, furthest, in_percent
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.text.recipe import CHOICE_NAMES, goal_name
from sfp_viz.ui import problems
from sfp_viz.ui.cached import evidence as learned
from sfp_viz.ui.cached import planned
from sfp_viz.ui.recipe import actions, edits
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_start


def goal_form(network: Network, asked: Request) -> None:
    """The kind of goal, the share to save, and the way from an accuracy to a share."""
    _kind(network, asked)
    _target(network, asked)
    _by_accuracy(network, asked)


def _kind(network: Network, asked: Request) -> None:
    key, shown = f"plan_goal_{state.revision()}", asked.recipe.goal

    def chosen() -> None:
        goal = st.session_state.get(key) or shown
        if goal != shown:  # an interrupted run reports what it showed as new
            actions.take(edits.aim(network, asked, replace(asked.recipe, goal=goal)))

    st.segmented_control(
        "The target counts", list(CHOICE_NAMES["goal"]), default=shown, required=True, key=key,
        format_func=lambda goal: CHOICE_NAMES["goal"][goal], on_change=chosen,
    )  # fmt: skip


def _target(network: Network, asked: Request) -> None:
    key = f"plan_target_{state.revision()}"
    shown = round(100 * asked.recipe.target_reduction)

    def moved() -> None:
        if st.session_state[key] == shown:  # an interrupted run reports what it showed as new
            return
        recipe = replace(asked.recipe, target_reduction=st.session_state[key] / 100)
        after = edits.aim(network, asked, recipe)
        if asked.edits.ratios and not after.edits.ratios:
            st.toast("The widths set by hand were taken back. Undo brings them again.")
        actions.take(after)

    st.slider(
        f"Target: share of {goal_name(asked.recipe.goal)} to save",
        0, 99, shown, 1,
        format="%d %%", key=key, on_change=moved, width=340,
    )  # fmt: skip


def _by_accuracy(network: Network, asked: Request) -> None:
    """Lose at most so many points: the largest saving that the sensitivity predicts for it."""
    evidence = learned.evidence(state.session().model)
    with st.popover("By accuracy", icon=":material/straighten:"):
        st.markdown(f"**The largest saving of {goal_name(asked.recipe.goal)} that loses at most**")
        if evidence.sensitivity is None:
            st.caption(
                "This needs the sensitivity of each group: one-shot accuracy with one group "
                "thinned at a time. It is measured once, in the background."
            )
            study_start.start_button(network, "sensitivity", "Measure it", place="goal")
            return
        points = st.number_input(
            "Points of one-shot accuracy", 0.1, 90.0, 2.0, 0.5, key="plan_points",
            help="Predicted from the sensitivity, before any training.",
        )  # fmt: skip
        if st.button("Set the target by it", key="plan_by_points", type="primary"):
            with problems.shown():
                actions.take(Request(losing(asked, points), asked.edits))
                st.rerun()
        st.caption("Estimated: what each group loses alone is put together.")


def losing(asked: Request, points: float) -> Recipe:
    """The recipe with the largest target that is predicted to lose at most ``points``."""
    from sfp_viz.core.allocation.accuracy_target import losing_at_most

    return losing_at_most(planned.problem(state.session().model, asked), points)


def out_of_reach(network: Network, asked: Request, message: str) -> None:
    """The target cannot be met: what prevents it, and each way out, a click away."""
    problem = Problem(network, asked, learned.evidence(state.session().model))
    st.error(problems.plain(message), icon=":material/error:")
    with problems.shown(), st.container(horizontal=True):
        nearest = furthest(problem)
        if nearest < asked.recipe.target_reduction:
            lower = replace(asked, recipe=replace(asked.recipe, target_reduction=nearest))
            st.button(
                f"Take {in_percent(nearest)} % instead", type="primary", key="plan_lower",
                on_click=actions.take, args=(lower,),
            )  # fmt: skip
        if lift := best_lift(problem):
            st.button(
                problems.plain(lift.sentence.rstrip(".")), key="plan_lift",
                on_click=actions.take, args=(lift.request,),
            )  # fmt: skip
        if asked.edits:
            st.button(
                "Undo all changes by hand", key="plan_reset",
                on_click=actions.take, args=(replace(asked, edits=Edits(network.digest)),),
            )  # fmt: skip
