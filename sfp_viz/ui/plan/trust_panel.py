"""How far the suggestion can be trusted: plans of equal cost around it, predicted and measured."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.allocation.alternatives import SAID
from sfp_viz.core.comparison.trust import PREDICTORS, Trust
from sfp_viz.core.comparison.verdict import (
    Ranking,
    agreement,
    findings,
    leaders,
    standings,
    verdict,
)
from sfp_viz.core.evidence.study import Study
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.core.plan.request import Request
from sfp_viz.text.numbers import count, milliseconds, percent, size, span
from sfp_viz.text.recipe import goal_name
from sfp_viz.ui import charts, image_field, problems
from sfp_viz.ui.cached import evidence
from sfp_viz.ui.plan import allocations
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_panel, study_start

_COUNTS = (10, 20, 40)
_SAID = {"memory": size, "latency": milliseconds}
_WORDS = {
    "dispersion": "Kernel Dispersion",
    "functional": "What the next layers lose",
    "sensitivity": "Sensitivity",
}


def panel(network: Network, asked: Request) -> None:
    """The measured trust, and a button to measure it anew."""
    drawer = study_panel.drawer(
        "How far can I trust this suggestion?", "trust_open", network, ("trust",)
    )
    if not drawer.open:
        return
    run = study_panel.newest("trust", network.digest)
    going = run is not None and not run.over
    with drawer:
        found = evidence.trust(state.session().model)
        if found is None:
            st.caption(
                "The suggestion, the plan of each other known allocation and plans drawn around "
                "the suggestion, all of the same cost, are pruned and measured before any "
                "training. That shows which allocation does best here, and whether the plans "
                "predicted to lose least are the most accurate."
            )
        if run is not None and run.state != "finished":
            study_panel.watch(run)
        if found is not None:
            result(found, asked)
        if not going:
            _start(network, found is not None)


def result(trust: Trust, asked: Request) -> None:
    """The verdict, where each allocation stands, and how well each prediction ordered the plans."""
    from sfp_viz.figures.trust import predicted_against_measured

    *standing, order = findings(trust)
    for text in standing:
        st.markdown(problems.plain(text))
    st.caption(problems.plain(order))
    if not _same(trust, asked):
        st.caption(
            "Measured for another recipe or target than the one in use now; measure again to be "
            "sure."
        )
    _standings(trust, asked)
    known = [name for name in PREDICTORS if agreement(trust, name)]
    if known:
        predictor = st.segmented_control(
            "Predicted by", known, default=known[-1], required=True, key="trust_predictor",
            format_func=lambda name: _WORDS[name],
        )  # fmt: skip
        charts.draw(
            predicted_against_measured(trust, predictor),
            key="trust_scatter",
            alt=f"Predicted and measured accuracy of {len(trust.draws)} plans. {verdict(trust)}",
        )
    st.caption(
        f"Measured on {trust.images:,} images ({problems.plain(trust.data)}), one-shot; costs and "
        "predictions computed."
    )


def _standings(trust: Trust, asked: Request) -> None:
    """Each allocation as it was measured, and the best one a click away where it is not in use."""
    found, first = standings(trust), leaders(trust)
    if len(found) < 2:
        return
    goal = trust.recipe.goal
    left, said = f"Left of {goal_name(goal)}", _SAID.get(goal, count)
    st.table(
        [
            {
                "Shared out": _begun(one.allocation) + (", in use" if _used(one, asked) else ""),
                "One-shot accuracy, measured": f"{percent(one.share)} ({span(one.interval)})",
                f"{left}, computed": said(one.cost),
            }
            for one in found
        ],
        border="horizontal",
    )
    if len(first) == 1 and not _used(first[0], asked) and _same(trust, asked):
        best = first[0].allocation
        st.button(
            f"Share out {SAID[best]}", key="trust_best", on_click=allocations.use, args=(best,),
            help="Changes the recipe's allocation alone, in one step that can be undone.",
        )  # fmt: skip


def _same(trust: Trust, asked: Request) -> bool:
    """Whether it was measured for what is asked now, but for the allocation: all are compared."""
    return replace(trust.recipe, allocation=asked.recipe.allocation) == asked.recipe


def _used(one: Ranking, asked: Request) -> bool:
    return one.allocation == asked.recipe.allocation


def _begun(allocation: Strategy) -> str:
    return SAID[allocation][:1].upper() + SAID[allocation][1:]


def _start(network: Network, again: bool) -> None:
    if not image_field.here(network):
        st.caption("This needs images: choose some above.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Plans", _COUNTS, index=1, key="trust_count", width=110,
            help="More plans make the rank correlation surer.",
        )  # fmt: skip
        study_start.start_button(
            network, "trust", "Measure again" if again else "Measure them",
            settings=lambda images: Study(
                "trust", count=int(st.session_state["trust_count"]), images=images
            ),
        )  # fmt: skip
