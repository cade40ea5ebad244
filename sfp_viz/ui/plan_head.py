"""The head of the page Plan: the target, the recipe, changes by hand, and files to take along."""

from __future__ import annotations

import math
from dataclasses import replace

import streamlit as st

from sfp_viz.core.edits import Edits
from sfp_viz.core.network import Network
from sfp_viz.figures.numbers import percent
from sfp_viz.ui import by_hand, loaders, plan_view, problems, recipe_form, state, take_along
from sfp_viz.ui.by_hand import Asked


def head(network: Network, asked: Asked) -> None:
    """The target slider, the recipe, and what was changed by hand."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        _target(network, asked)
        recipe_form.recipe_popover(asked.recipe)
        with st.popover("Files", icon=":material/folder_open:"):
            take_along.recipe_files(network)
        st.button(
            "Accept the suggestion",
            help="Takes back every ratio set by hand; locks and clusters stay.",
            disabled=not asked.edits.ratios,
            on_click=plan_view.take,
            args=(replace(asked, edits=replace(asked.edits, ratios=())),),
            key="plan_accept",
        )


def reached(network: Network, asked: Asked, kept: dict[str, int]) -> None:
    """How the plan stands to its target, in a sentence."""
    saved = by_hand.reduction(network, kept)
    whole = sum(group.width for group in network.groups)
    left = sum(kept.get(g.name, g.size) * g.repeats for g in network.groups)
    text = (
        f"{percent(saved)} fewer MACs, {whole - left:,} of {whole:,} filters go. "
        f"Target: at least {percent(asked.recipe.target_reduction)}. Computed, exact."
    )
    held = len(asked.edits.ratios)
    if held:
        text += f" {held} share{'s are' if held > 1 else ' is'} held by hand."
    if left == whole:
        text = "No filter goes with this plan. Raise the target, or drag a bar to the left."
    st.caption(text)


def out_of_reach(network: Network, asked: Asked, problem: str) -> None:
    """The target cannot be met: why, and the nearest one that can."""
    st.error(problems.plain(problem), icon=":material/error:")
    nearest = math.floor(100 * by_hand.furthest(network, asked)) / 100
    with st.container(horizontal=True):
        if nearest < asked.recipe.target_reduction:
            lower = replace(asked, recipe=replace(asked.recipe, target_reduction=nearest))
            st.button(
                f"Lower the target to {percent(nearest, 0)}", type="primary", key="plan_lower",
                on_click=plan_view.take, args=(lower,),
            )  # fmt: skip
        if asked.edits:
            st.button(
                "Undo all changes by hand", key="plan_reset",
                on_click=plan_view.take, args=(replace(asked, edits=Edits(network.digest)),),
            )  # fmt: skip


def suggested(asked: Asked) -> dict[str, int]:
    """What Kernel Dispersion suggests at the same target, with locks but no ratios by hand."""
    edits = replace(asked.edits, ratios=()) or None
    return loaders.budget(state.session().model, asked.recipe, edits).kept


def _target(network: Network, asked: Asked) -> None:
    key = f"plan_target_{state.revision()}"

    shown = round(100 * asked.recipe.target_reduction)

    def moved() -> None:
        if st.session_state[key] == shown:  # an interrupted run reports what it showed as new
            return
        after = by_hand.aim(network, asked, st.session_state[key] / 100)
        if asked.edits.ratios and not after.edits.ratios:
            st.toast("The ratios set by hand were taken back. Undo brings them again.")
        plan_view.take(after)

    st.slider(
        "Target: share of MACs to save",
        0, 99, shown, 1,
        format="%d %%", key=key, on_change=moved, width=420,
    )  # fmt: skip
