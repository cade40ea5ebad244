"""Planning with images: offered where the plan uses the weights alone."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.evidence.evidence import needs
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.network import Network
from sfp_viz.core.plan.request import Request
from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import evidence
from sfp_viz.ui.recipe import recipe_form, training_reasons
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_panel, study_start

_IMAGES = 1024  # training images that are analyzed
_WANTED = "plan_by_images"  # session_state: digest of the network whose recipe is to change


def apply_finished(network: Network) -> None:
    """Change the recipe to functional redundancy once the requested image analysis has finished."""
    if st.session_state.get(_WANTED) != network.digest:
        return
    session = state.session()
    if evidence.evidence(session.model).observations is None:
        return
    del st.session_state[_WANTED]
    if "observations" not in needs(session.recipe):
        use_functional()
        st.toast("The plan now uses the image evidence. Undo restores the previous plan.")
        st.rerun()


def use_functional() -> None:
    """Change to the recipe 'functional' with the current target, rounding and ties, in one step."""
    state.change(recipe=recipe_form.named_recipe("functional", state.session().recipe))


def offer(network: Network, request: Request) -> None:
    """For a plan from weights alone: draw a button that improves it with images, or the progress of
    the analysis.

    Args:
        network: The network.
        request: Recipe and edits.
    """
    available = evidence.evidence(state.session().model)
    if set(needs(request.recipe)) - {"latency"} or training_reasons.applies_to(request.edits):
        return
    if available.observations is not None:
        with _box():
            st.markdown(problems.plain(
                f"This plan uses the weights alone. {_image_count(available.observations)} have "
                "been analyzed: a plan that uses them usually keeps far more accuracy."
            ))  # fmt: skip
            st.button("Use the image evidence", key="offer_use", type="primary",
                on_click=use_functional,
            )  # fmt: skip
        return
    data, run = image_field.available_images(network), study_panel.newest("observe", network.digest)
    waiting = st.session_state.get(_WANTED) == network.digest
    if run is not None and not run.over:
        if waiting:
            with st.container(border=True, key="image_offer"):
                study_panel.watch(run, place="offer")
                st.caption("When it has finished, the plan will use the image evidence.")
        return
    if data:
        _offer_box(network, data, waiting and bool(study_start.progress_of(network, "observe")))
        if waiting and run is not None and run.state != "finished":
            study_panel.watch(run, place="offer")


def _offer_box(network: Network, data: str, starting: bool) -> None:
    with _box():
        st.markdown(problems.plain(
            f"This plan uses the weights alone. A plan that also uses images ({data}) usually "
            "keeps far more accuracy."
        ))  # fmt: skip
        st.button(
            "Starting" if starting else "Improve the plan with images",
            key="offer_look", type="primary", disabled=starting, on_click=_request_analysis,
            args=(network, data), icon=":material/image_search:",
            help=f"Analyzes {_IMAGES:,} training images in the background, then changes the "
            "recipe. The target is kept, and Undo restores the previous plan.",
        )  # fmt: skip


def _request_analysis(network: Network, data: str) -> None:
    st.session_state[_WANTED] = network.digest
    study_start.request(network, study_start.study_of("observe", _IMAGES), data)


def images_used(request: Request) -> str:
    """Which images the plan uses, in a sentence; '' for a plan from weights alone."""
    observations = evidence.evidence(state.session().model).observations
    if observations is None or "observations" not in needs(request.recipe):
        return ""
    functional = request.recipe.allocation == "functional"
    ranked = (
        "Widths and filters chosen by functional redundancy," if functional else "Filters ranked"
    )
    return problems.plain(f"{ranked} using {_image_count(observations)}.")


def _image_count(observations: Observations) -> str:
    """'1,024 training images of cifar10'."""
    name, _, split = observations.data.rpartition(", ")
    if not name:
        return f"{observations.images:,} images of {observations.data}"
    return f"{observations.images:,} {'training' if split == 'train' else split} images of {name}"


def _box():
    return st.container(
        border=True, horizontal=True, horizontal_alignment="distribute",
        vertical_alignment="center", key="image_offer",
    )  # fmt: skip
