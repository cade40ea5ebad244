"""The recipe as a form: how the filters are compared, grouped, ranked and chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.text.recipe import CHOICE_NAMES, EVIDENCE_NAMES, FIELD_LABELS, RECIPE_NAMES
from sfp_viz.ui.recipe import choice_help
from sfp_viz.ui.session import state

Fields = dict[str, Any]


def missing_evidence(lacks: tuple[str, ...]) -> str:
    """Which evidence is missing, and whether the recipe or its latency goal needs it; a sentence.

    Args:
        lacks: Names of the missing evidence, as in EVIDENCE_NAMES.
    """
    times = EVIDENCE_NAMES["latency"]
    image_evidence = " and ".join(EVIDENCE_NAMES[name] for name in lacks if name != "latency")
    if not image_evidence:
        return f"The latency goal needs {times}, which has not been measured yet."
    if "latency" in lacks:
        return (
            f"This recipe needs {image_evidence}, and its latency goal needs {times}. Both are "
            "missing."
        )
    return f"This recipe needs {image_evidence}, which is not available yet for this network."


def recipe_popover(recipe: Recipe, evidence: Evidence) -> None:
    """Draw a button that opens the recipe as a form; 'Apply' puts the recipe into the session.

    Args:
        recipe: The current recipe.
        evidence: The evidence of the network.
    """
    name = recipes.name_of(recipe)
    key = f"recipe_name_{state.revision()}"
    with st.popover("Recipe", icon=":material/tune:", help="How filters are compared and chosen"):
        st.selectbox(
            "Named recipes",
            list(RECIPE_NAMES),
            index=list(RECIPE_NAMES).index(name) if name else None,
            format_func=lambda name: RECIPE_NAMES[name],
            placeholder="Custom recipe",
            key=key,
            on_change=apply_named,
            args=(key, name),
        )
        with st.form(f"recipe_{state.revision()}", border=False):
            left, middle, right = st.columns(3)
            with left:
                changed = _comparison(recipe)
            with middle:
                changed |= _selection(recipe)
            with right:
                changed |= _allocation(recipe)
            _evidence_note(evidence)
            if st.form_submit_button("Apply", type="primary"):
                state.change(recipe=replace(recipe, **changed))
                st.rerun()
        choice_help.choice_meanings()


def apply_named(key: str, shown: str) -> None:
    """Put the chosen named recipe into the session, with the current goal, target, seed, rounding
    and treatment of tied layers.

    Args:
        key: Key of the field.
        shown: The recipe that the field showed; it is no change.
    """
    name = st.session_state.get(key) or ""
    if not name or name == shown:  # an interrupted run reports what it showed as new
        return
    state.change(recipe=named_recipe(name, state.session().recipe))


def named_recipe(name: str, current: Recipe) -> Recipe:
    """A named recipe with the goal, target, seed, rounding and treatment of tied layers of another
    one.

    Args:
        name: Name of the recipe.
        current: The other recipe.
    """
    recipe = recipes.NAMED[name](current.target_reduction, seed=current.seed)
    return replace(recipe, goal=current.goal, rounding=current.rounding, coupled=current.coupled)


def _choice(recipe: Recipe, field: str) -> str:
    names = CHOICE_NAMES[field]
    return st.selectbox(
        FIELD_LABELS[field],
        list(names),
        index=list(names).index(getattr(recipe, field)),
        format_func=lambda value: names[value],
        help=choice_help.help_of(field, getattr(recipe, field)),
    )


def _comparison(recipe: Recipe) -> Fields:
    """How filters are compared and clustered."""
    return _choices(recipe, "similarity", "clustering", "cluster_rule") | {
        "kappa": st.number_input(
            "Clusters per kept filter (κ)", 0.01, 1.0, recipe.kappa, 0.05,
            help="Used where the number of clusters is a share of the kept filters.",
        ),
        "seed": int(st.number_input("Seed", 0, 2**31 - 1, recipe.seed)),
    }  # fmt: skip


def _selection(recipe: Recipe) -> Fields:
    """Which filters of a group are kept, and how the others are compensated."""
    return {
        **_choices(recipe, "selection", "criterion"),
        "balance": st.slider(
            "Importance vs. diversity", 0.0, 1.0, recipe.balance, 0.05,
            help="1 keeps the most important filters of a cluster, 0 the most diverse ones.",
        ),
        **_choices(recipe, "compensation", "coupled"),
    }  # fmt: skip


def _allocation(recipe: Recipe) -> Fields:
    """How the target is divided among the groups."""
    return _choices(recipe, "allocation", "dispersion") | {
        "gamma": st.number_input(
            "Gamma (γ)", 0.0, 16.0, recipe.gamma, 0.5,
            help="0 treats all groups alike; larger values give Kernel Dispersion more weight.",
        ),
        "max_ratio": st.number_input(
            "Maximum share pruned per group", 0.0, 0.99, recipe.max_ratio, 0.05
        ),
        "rounding": int(st.number_input(
            "Round kept filters to multiples of", 1, 64, recipe.rounding,
            help="Multiples of 8 often run faster at the same MACs.",
        )),
    }  # fmt: skip


def _choices(recipe: Recipe, *fields: str) -> Fields:
    return {field: _choice(recipe, field) for field in fields}


def _evidence_note(evidence: Evidence) -> None:
    """Which evidence is available for the choices that need some."""
    available = [
        label for name, label in EVIDENCE_NAMES.items() if getattr(evidence, name) is not None
    ]
    text = "Choices marked 'images' need image analysis; 'sensitivity' needs a measurement."
    text += f" Available: {', '.join(available)}." if available else " Neither is available yet."
    st.caption(text + " Apply the recipe first; this page then offers to measure what is missing.")
