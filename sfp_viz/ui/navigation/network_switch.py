"""Another network on the screen: the recipe comes along as far as it applies to it."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sfp_viz.core.allocation.feasibility import largest_reduction
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import Evidence, missing_evidence, without_evidence
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import FREE, Recipe, name_of
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import SfpError
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import EVIDENCE_NAMES, goal_name
from sfp_viz.ui.cached import evidence, loaders
from sfp_viz.ui.navigation import notices
from sfp_viz.ui.session import state


def open_network(key: str, **fields: Any) -> None:
    """Show a network, as one step of undo; what the recipe cannot keep is said on the page.

    Args:
        key: Name of a sample, or digest of a stored network.
        **fields: Further fields of the session, such as ``group``.
    """
    session = state.session()
    if key == session.model:
        state.change(**fields)
        return
    recipe, notes = session.recipe, []
    with suppress(SfpError):  # the pages say what is wrong with the network
        recipe, notes = fitting(loaders.network(key), evidence.evidence(key), recipe)
    if session.edits:
        notes.append("The manual changes belong to the previous network; Undo returns to them.")
    state.change(model=key, recipe=recipe, **fields)
    notices.notify(notes)


def fitting(network: Network, evidence: Evidence, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe with what this network cannot meet replaced, and a sentence on each change.

    Args:
        network: The network.
        evidence: What was measured of it.
        recipe: The recipe of another network.
    """
    notes = []
    if missing := missing_evidence(recipe, evidence):
        named = name_of(recipe)
        recipe = without_evidence(recipe, missing)
        if named and set(missing) != {"latency"}:  # the named recipe that needs weights alone
            recipe = Recipe(**{name: getattr(recipe, name) for name in FREE})
        names = join_names([EVIDENCE_NAMES[name] for name in missing])
        notes.append(
            f"There is no {names.removeprefix('the ')} for this network yet, so the recipe no "
            "longer uses it."
        )
    most = math.floor(100 * largest_reduction(Problem(network, Request(recipe), evidence))) / 100
    if 0 < most < recipe.target_reduction:
        notes.append(
            f"The target is {percent(most, 0)} instead of {percent(recipe.target_reduction, 0)}: "
            f"this network cannot save more of the {goal_name(recipe.goal)}."
        )
        recipe = replace(recipe, target_reduction=most)
    return recipe, notes
