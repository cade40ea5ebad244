"""What the starter of a training writes down of it: one function, so that all say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe, name_of

_BASELINES = {"uniform_l1": "uniform", "random": "random"}
Counted = tuple[int, int]  # MACs and params, counted


def training_facts(
    *,
    digest: str,
    recipe: Recipe | None,
    edits: Edits | None = None,
    plan: Plan | None = None,
    model: str = "",
    name: str = "",
    before: Counted | None = None,
    after: Counted | None = None,
) -> dict[str, Any]:
    """The facts of a training, with the same keys for every kind; what is not known (yet) is '' or
    None. ``kind`` says which baseline it is: 'uniform' L1 or 'random', without edits besides locks;
    else 'plan'.

    Args:
        digest: The unpruned weights.
        recipe: The recipe; None where training chose the filters.
        edits: The manual edits.
        plan: The plan that was made.
        model: The name by which the unpruned network is opened; by default its digest.
        name: What the starter calls the recipe; by default its name among the named ones.
        before: MACs and params of the unpruned network.
        after: MACs and params of the network to train.
    """
    return {
        "digest": digest,
        "model": model or digest,
        "kind": kind_of(recipe, edits),
        "recipe": name or (name_of(recipe) if recipe else ""),
        "target_reduction": recipe.target_reduction if recipe else None,
        "plan": plan.hash if plan else "",
        "macs_before": before[0] if before else None,
        "params_before": before[1] if before else None,
        "macs": after[0] if after else None,
        "params": after[1] if after else None,
    }


def kind_of(recipe: Recipe | None, edits: Edits | None = None) -> str:
    """Which baseline a recipe is: 'uniform', 'random', or 'plan' for none.

    Args:
        recipe: The recipe; None where training chose the filters.
        edits: The manual edits; with any besides locks it is no baseline.
    """
    if recipe is None or (edits and replace(edits, protected=())):
        return "plan"
    return _BASELINES.get(name_of(recipe), "plan")
