"""Evidence: what was seen or measured of a network besides its weights, for recipes that ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sfp_viz.core.cost.latency_table import LatencyTable
from sfp_viz.core.evidence.observations import SCORES, Observations
from sfp_viz.core.evidence.sensitivity import Sensitivity
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import RecipeError

Part = Literal["observations", "sensitivity", "latency"]  # fields of Evidence
_MEASURED_BY: dict[Part, tuple[str, str]] = {  # a call, and a command
    "observations": ("observe(model, images)", "sfp-viz observe NET"),
    "sensitivity": ("measure_sensitivity(...)", "sfp-viz sensitivity NET"),
    "latency": ("latency_table(model)", "sfp-viz latency NET"),
}


@dataclass(frozen=True)
class Evidence:
    """Each part is there or None; parts of other weights are refused where they are used.

    ``damage``: curves by group for 'functional' widths, in place of those of the observations
    (allocation.damage_curves); for experiments.
    """

    observations: Observations | None = None
    sensitivity: Sensitivity | None = None
    latency: LatencyTable | None = None
    damage: Mapping[str, np.ndarray] | None = None


def needs(recipe: Recipe) -> tuple[Part, ...]:
    """What ``recipe`` asks for besides weights: names of fields of Evidence."""
    by_images = (
        recipe.similarity == "activation"
        or recipe.criterion in (*SCORES, "reconstruction")
        or recipe.allocation == "functional"
        or (recipe.dispersion == "activation" and recipe.allocation == "dispersion")
    )  # fmt: skip
    needed: dict[Part, bool] = {
        "observations": by_images,
        "sensitivity": recipe.allocation == "sensitivity",
        "latency": recipe.goal == "latency",
    }
    return tuple(name for name, is_needed in needed.items() if is_needed)


def scores_of(recipe: Recipe) -> tuple[str, ...]:
    """Scores that a look at images must take down for ``recipe``, any of SCORES."""
    return (recipe.criterion,) if recipe.criterion in SCORES else ()


def check_evidence(recipe: Recipe, evidence: Evidence | None, digest: str) -> Evidence:
    """``evidence``, or an empty one.

    Args:
        recipe: What decides which parts are needed.
        evidence: What is there; None for nothing.
        digest: Of the weights to prune.

    Raises:
        RecipeError: A part that the recipe needs is missing, or belongs to other weights.
    """
    evidence = evidence or Evidence()
    for name in needs(recipe):
        record = getattr(evidence, name)
        call, command = _MEASURED_BY[name]
        if record is None:
            raise RecipeError(
                f"This recipe needs {name}, and there is none. Measure it first: {call}, or "
                f"'{command}'."
            )
        if record.digest != digest:
            raise RecipeError(
                f"The {name} belongs to other weights ({record.digest}, here {digest}). Measure it "
                f"again: {call}, or '{command}'."
            )
    return evidence


def missing_evidence(recipe: Recipe, evidence: Evidence) -> tuple[str, ...]:
    """What ``recipe`` needs and ``evidence`` has not: names of fields of Evidence.

    Args:
        recipe: What decides which parts are needed.
        evidence: What is there.
    """
    lacks = [name for name in needs(recipe) if getattr(evidence, name) is None]
    observations = evidence.observations
    if (
        observations is not None
        and scores_of(recipe)
        and not set(scores_of(recipe)) <= set(observations.scores)
    ):
        lacks.append("observations")
    return tuple(lacks)


def without_evidence(recipe: Recipe, missing: Collection[str] | None = None) -> Recipe:
    """``recipe`` with the default in place of every choice that needs evidence.

    Args:
        recipe: The recipe.
        missing: The parts to do without, as from ``missing_evidence``; None for all.
    """
    plain = Recipe()
    names = ("goal", "similarity", "criterion", "allocation", "dispersion")
    choices = {name: getattr(recipe, name) for name in names}
    needed = {name: needs(replace(plain, **{name: choices[name]})) for name in names}
    defaults = {
        name: getattr(plain, name)
        for name in names
        if (needed[name] if missing is None else set(needed[name]) & set(missing))
    }
    return replace(recipe, **defaults)
