"""The head of the Plan page: the goal, the recipe, files, and whether the plan meets its target."""

from __future__ import annotations

import numpy as np
import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.request import Request
from sfp_viz.text import recipe as recipe_text
from sfp_viz.text.groups import tied_note
from sfp_viz.text.numbers import percent
from sfp_viz.ui.cached import evidence, planned
from sfp_viz.ui.cached.planned import PlannedCost
from sfp_viz.ui.plan import details as plan_details
from sfp_viz.ui.plan import goal_form
from sfp_viz.ui.plan.widths import Curves, Widths
from sfp_viz.ui.recipe import plan_files, recipe_form, request_edits
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import image_offer

_CURVE_POINTS = 40  # of one curve under a bar; more would not be visible


def head(network: Network, request: Request) -> None:
    """Draw the goal, the recipe and the files.

    Args:
        network: The network.
        request: Recipe and edits.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        goal_form.goal_form(network, request)
        recipe_form.recipe_popover(request.recipe, evidence.evidence(state.session().model))
        with st.popover("Files", icon=":material/folder_open:"):
            plan_files.recipe_files(network)


def widths(network: Network, request: Request, planned_cost: PlannedCost) -> Widths:
    """The widths that the page draws: of the plan, of the suggestion, and before rounding.

    Args:
        network: The network.
        request: Recipe and edits.
        planned_cost: The computed cost of the plan.
    """
    key = state.session().model
    unrounded: dict[str, int] = {}
    if request.recipe.rounding > 1:
        unrounded = planned.widths_or_unpruned(key, request.with_recipe(rounding=1))
    suggested = planned.cost(key, request_edits.without_widths(request)).kept or planned_cost.kept
    curves, unit = lost_curves(request)
    return Widths(planned_cost.kept, suggested, unrounded, curves, unit)


def lost_curves(request: Request) -> tuple[Curves, str]:
    """The loss from pruning each group alone, by rising units kept, and its unit: points of
    accuracy from the measured sensitivity, else the share of the signal lost."""
    key = state.session().model
    available = evidence.evidence(key)
    if available.sensitivity is not None:
        return {n: _thinned(c, 1.0) for n, c in evidence.losses(key).items()}, "points"
    if available.observations is not None and request.recipe.allocation == "functional":
        lost = evidence.signal_lost(key)
        return {name: _thinned(c[:-1], 100.0) for name, c in lost.items()}, "% of the signal"
    return {}, ""


def _thinned(lost: np.ndarray, scale: float) -> tuple[tuple[int, float], ...]:
    """(kept, lost), by rising kept, of a curve whose entry m is the loss with m units pruned."""
    size = len(lost)
    pruned = np.unique(np.linspace(0, size - 1, min(size, _CURVE_POINTS)).round().astype(int))
    return tuple((int(size - m), round(float(scale * lost[m]), 3)) for m in pruned[::-1])


def target_summary(network: Network, request: Request, widths: Widths) -> None:
    """Draw how far the plan meets its target, in a sentence.

    Args:
        network: The network.
        request: Recipe and edits.
        widths: The widths that are drawn.
    """
    saved = planned.reduction(state.session().model, request.recipe.goal, widths.kept)
    channels = sum(group.width for group in network.groups)
    kept_channels = sum(widths.kept.get(g.name, g.size) * g.repeats for g in network.groups)
    if kept_channels == channels:
        st.caption("This plan prunes no filters. Raise the target, or drag a bar to the left.")
        return
    fewer = "fewer" if request.recipe.goal in ("macs", "params") else "less"
    goal = recipe_text.goal_name(request.recipe.goal)
    text = (
        f"{percent(saved)} {fewer} {goal}, {channels - kept_channels:,} of {channels:,} filters "
        f"pruned. Target: at least {percent(request.recipe.target_reduction)}."
    )
    if fixed := len(request.edits.ratios):
        text += f" {fixed} width{'s are' if fixed > 1 else ' is'} fixed manually; the other groups "
        text += "adjust." if request.edits.makeup else "keep their widths."
    text += f" {plan_details.rounding_cost(network, widths)}"
    text = f"{text.rstrip()} {tied_note(network, request.recipe)}"
    st.caption(f"{text.rstrip()} {image_offer.images_used(request)}")
