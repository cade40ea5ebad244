"""How far the suggestion can be trusted: plans of equal cost around it, predicted and measured."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.study import Study
from sfp_viz.core.trust import PREDICTORS, Trust, agreement, verdict
from sfp_viz.ui import charts, image_field, problems
from sfp_viz.ui.plan.by_hand import Asked
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import learned, studies, study_start

_COUNTS = (10, 20, 40)
_WORDS = {
    "dispersion": "Kernel Dispersion",
    "functional": "What the next layers lose",
    "sensitivity": "Sensitivity",
}


def panel(network: Network, asked: Asked) -> None:
    """The measured trust, and a button to measure it anew."""
    drawer = studies.drawer(
        "How far can I trust this suggestion?", "trust_open", network, ("trust",)
    )
    if not drawer.open:
        return
    run = studies.newest("trust", network.digest)
    going = run is not None and not run.over
    with drawer:
        found = learned.trust(state.session().model)
        if found is None:
            st.caption(
                "Plans of the same cost are drawn around the suggestion, pruned and measured "
                "before any training. Where those that were predicted to lose least are the most "
                "accurate, the prediction can be trusted; and the suggestion must beat cutting "
                "the same share everywhere."
            )
        if run is not None and run.state != "finished":
            studies.watch(run)
        if found is not None:
            result(found, asked)
        if not going:
            _start(network, found is not None)


def result(trust: Trust, asked: Asked) -> None:
    """The verdict, how well each prediction ordered the plans, and the plans themselves."""
    from sfp_viz.figures.trust import predicted_against_measured

    st.markdown(problems.plain(verdict(trust)))
    if trust.recipe != asked.recipe:
        st.caption(
            "Measured for another recipe or target than the one in use now; measure again to be "
            "sure."
        )
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
