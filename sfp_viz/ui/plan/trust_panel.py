"""How far the suggestion can be trusted: plans of equal cost, predicted and measured."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.comparison.trust import PREDICTORS, Trust
from sfp_viz.core.comparison.verdict import Ranking, agreement, leaders, rankings
from sfp_viz.core.evidence.study import Study
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.core.plan.request import Request
from sfp_viz.text.numbers import count, milliseconds, percent, size, span
from sfp_viz.text.plan.allocations import ALLOCATIONS
from sfp_viz.text.recipe import goal_name
from sfp_viz.text.verdict import verdict, verdict_parts
from sfp_viz.ui import charts, image_field, problems
from sfp_viz.ui.cached import evidence
from sfp_viz.ui.plan import allocations
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_panel, study_start

_COUNTS = (10, 20, 40)
_FORMATS = {"memory": size, "latency": milliseconds}
_WORDS = {
    "dispersion": "Kernel Dispersion",
    "functional": "Functional redundancy",
    "sensitivity": "Sensitivity",
}


def panel(network: Network, request: Request) -> None:
    """Draw the result of the test of the suggestion, and a button that runs it.

    Args:
        network: The network.
        request: Recipe and edits.
    """
    drawer = study_panel.drawer(
        "How far can I trust this suggestion?", "trust_open", network, ("trust",)
    )
    if not drawer.open:
        return
    run = study_panel.newest("trust", network.digest)
    running = run is not None and not run.over
    with drawer:
        trust = evidence.trust(state.session().model)
        if trust is None:
            st.caption(
                "Tests the suggestion against the other allocations and random variations of it, "
                "all at the same cost: each plan is pruned and measured before any fine-tuning. "
                "This shows which allocation is best here, and how well predictions rank plans."
            )
        if run is not None and run.state != "finished":
            study_panel.watch(run)
        if trust is not None:
            result(trust, request)
        if not running:
            _start(network, trust is not None)


def result(trust: Trust, request: Request) -> None:
    """Draw the verdict, the ranking of the allocations, and how well each prediction ordered the
    plans.

    Args:
        trust: The measured plans.
        request: Recipe and edits.
    """
    from sfp_viz.figures.trust import predicted_against_measured

    *verdicts, order = verdict_parts(trust)
    for text in verdicts:
        st.markdown(problems.plain(text))
    st.caption(problems.plain(order))
    if not _same(trust, request):
        st.caption("Measured for another recipe or target. Run the test again for the current one.")
    _standings(trust, request)
    predictors = [name for name in PREDICTORS if agreement(trust, name)]
    if predictors:
        predictor = st.segmented_control(
            "Prediction", predictors, default=predictors[-1], required=True, key="trust_predictor",
            format_func=lambda name: _WORDS[name],
        )  # fmt: skip
        charts.draw(
            predicted_against_measured(trust, predictor),
            key="trust_scatter",
            alt=f"Predicted and measured accuracy of {len(trust.draws)} plans. {verdict(trust)}",
        )
    st.caption(
        f"One-shot accuracy measured on {trust.images:,} images ({problems.plain(trust.data)}). "
        "Costs and predictions are computed."
    )


def _standings(trust: Trust, request: Request) -> None:
    """The measured allocations, and a button that uses the best one where it is not in use."""
    ranked, best_rankings = rankings(trust), leaders(trust)
    if len(ranked) < 2:
        return
    goal = trust.recipe.goal
    label, format_cost = f"Remaining {goal_name(goal)}", _FORMATS.get(goal, count)
    st.table(
        [
            {
                "Allocation": _capitalized(r.allocation)
                + (", in use" if _used(r, request) else ""),
                "One-shot accuracy, measured": f"{percent(r.accuracy)} ({span(r.interval)})",
                f"{label}, computed": format_cost(r.cost),
            }
            for r in ranked
        ],
        border="horizontal",
    )
    if len(best_rankings) == 1 and not _used(best_rankings[0], request) and _same(trust, request):
        best = best_rankings[0].allocation
        st.button(
            f"Use: {ALLOCATIONS[best]}",
            key="trust_best", on_click=allocations.use, args=(best,),
            help="Changes only the allocation of the recipe. You can undo it.",
        )  # fmt: skip


def _same(trust: Trust, request: Request) -> bool:
    """Whether it was measured for the current recipe, except for its allocation: all are tested."""
    return replace(trust.recipe, allocation=request.recipe.allocation) == request.recipe


def _used(ranking: Ranking, request: Request) -> bool:
    return ranking.allocation == request.recipe.allocation


def _capitalized(allocation: Strategy) -> str:
    return ALLOCATIONS[allocation][:1].upper() + ALLOCATIONS[allocation][1:]


def _start(network: Network, again: bool) -> None:
    if not image_field.available_images(network):
        st.caption("This needs images. Choose some above.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Plans", _COUNTS, index=1, key="trust_count", width=110,
            help="More plans make the rank correlation more precise.",
        )  # fmt: skip
        study_start.start_button(
            network, "trust", "Run the test again" if again else "Run the test",
            settings=lambda images: Study(
                "trust", count=int(st.session_state["trust_count"]), images=images
            ),
        )  # fmt: skip
