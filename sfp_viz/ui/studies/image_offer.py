"""Planning by what images show: offered where the plan rests on the weights alone."""

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

_IMAGES = 1024  # training images that are looked at
_WANTED = "plan_by_images"  # session_state: digest of the network whose recipe is to change


def settle(network: Network) -> None:
    """Once the images that were asked for have been looked at, the recipe goes by function."""
    if st.session_state.get(_WANTED) != network.digest:
        return
    now = state.session()
    if evidence.evidence(now.model).observations is None:
        return
    del st.session_state[_WANTED]
    if "observations" not in needs(now.recipe):
        take()
        st.toast("The plan goes by what the images showed. Undo brings the one before back.")
        st.rerun()


def take() -> None:
    """The named recipe 'functional' with the target, rounding and ties of the one now: one step."""
    state.change(recipe=recipe_form.taken("functional", state.session().recipe))


def offer(network: Network, asked: Request) -> None:
    """For a plan from weights alone: one button for a better one, and how far that is."""
    found = evidence.evidence(state.session().model)
    if set(needs(asked.recipe)) - {"latency"} or training_reasons.in_force(asked.edits):
        return
    if found.observations is not None:
        with _box():
            st.markdown(problems.plain(
                f"This plan rests on the weights alone. {_counted(found.observations)} were looked "
                "at: with them it usually keeps far more accuracy."
            ))  # fmt: skip
            st.button("Use what the images showed", key="offer_use", type="primary", on_click=take)
        return
    data, run = image_field.here(network), study_panel.newest("observe", network.digest)
    waiting = st.session_state.get(_WANTED) == network.digest
    if run is not None and not run.over:
        if waiting:
            with st.container(border=True, key="image_offer"):
                study_panel.watch(run, place="offer")
                st.caption("When it is done, the plan goes by what the images showed.")
        return
    if data:
        _ask(network, data, waiting and bool(study_start.under_way(network, "observe")))
        if waiting and run is not None and run.state != "finished":
            study_panel.watch(run, place="offer")


def _ask(network: Network, data: str, starting: bool) -> None:
    with _box():
        st.markdown(problems.plain(
            f"This plan rests on the weights alone. With what images ({data}) show it usually "
            "keeps far more accuracy."
        ))  # fmt: skip
        st.button(
            "Starting" if starting else "Look at images for a better plan",
            key="offer_look", type="primary", disabled=starting, on_click=_look,
            args=(network, data), icon=":material/image_search:",
            help=f"Looks at {_IMAGES:,} training images in the background, then changes the "
            "recipe; the target stays, and Undo brings the plan before back.",
        )  # fmt: skip


def _look(network: Network, data: str) -> None:
    st.session_state[_WANTED] = network.digest
    study_start.ask(network, study_start.study_of("observe", _IMAGES), data)


def seen_on(asked: Request) -> str:
    """What a plan that uses images was seen on, in a sentence; '' for one that does not."""
    seen = evidence.evidence(state.session().model).observations
    if seen is None or "observations" not in needs(asked.recipe):
        return ""
    by_function = asked.recipe.allocation == "functional"
    how = "Widths and filters by function" if by_function else "Filters are judged"
    return problems.plain(f"{how}, seen on {_counted(seen)}.")


def _counted(seen: Observations) -> str:
    """'1,024 training images of cifar10'."""
    name, _, split = seen.data.rpartition(", ")
    if not name:
        return f"{seen.images:,} images of {seen.data}"
    return f"{seen.images:,} {'training' if split == 'train' else split} images of {name}"


def _box():
    return st.container(
        border=True, horizontal=True, horizontal_alignment="distribute",
        vertical_alignment="center", key="image_offer",
    )  # fmt: skip
