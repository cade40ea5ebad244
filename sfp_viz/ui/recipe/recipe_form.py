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


def lacking(lacks: tuple[str, ...]) -> str:
    """What is missing, and who needs it: the recipe, or a goal of latency; one sentence."""
    times = EVIDENCE_NAMES["latency"]
    rest = " and ".join(EVIDENCE_NAMES[name] for name in lacks if name != "latency")
    if not rest:
        return f"The latency goal needs {times}, which has not been measured yet."
    if "latency" in lacks:
        return f"This recipe needs {rest}, and its latency goal needs {times}. Both are missing."
    return f"This recipe needs {rest}, which is not available yet for this network."


def recipe_popover(recipe: Recipe, evidence: Evidence) -> None:
    """A button that opens the recipe; 'Use it' puts the changed recipe into the session."""
    name = recipes.name_of(recipe)
    key = f"recipe_name_{state.revision()}"
    with st.popover("Recipe", icon=":material/tune:", help="How filters are compared and chosen"):
        st.selectbox(
            "Named recipes",
            list(RECIPE_NAMES),
            index=list(RECIPE_NAMES).index(name) if name else None,
            format_func=lambda known: RECIPE_NAMES[known],
            placeholder="Your own",
            key=key,
            on_change=named,
            args=(key, name),
        )
        with st.form(f"recipe_{state.revision()}", border=False):
            left, middle, right = st.columns(3)
            with left:
                changed = _alike(recipe)
            with middle:
                changed |= _chosen(recipe)
            with right:
                changed |= _shared_out(recipe)
            _evidence_note(evidence)
            if st.form_submit_button("Use it", type="primary"):
                state.change(recipe=replace(recipe, **changed))
                st.rerun()
        choice_help.choice_meanings()


def named(key: str, shown: str) -> None:
    """A named recipe was picked; its goal, target, seed, rounding and ties stay as they are."""
    name = st.session_state.get(key) or ""
    if not name or name == shown:  # an interrupted run reports what it showed as new
        return
    state.change(recipe=taken(name, state.session().recipe))


def taken(name: str, now: Recipe) -> Recipe:
    """The named recipe with the goal, target, seed, rounding and ties of ``now``."""
    made = recipes.NAMED[name](now.target_reduction, seed=now.seed)
    return replace(made, goal=now.goal, rounding=now.rounding, coupled=now.coupled)


def _choice(recipe: Recipe, field: str) -> str:
    known = CHOICE_NAMES[field]
    return st.selectbox(
        FIELD_LABELS[field],
        list(known),
        index=list(known).index(getattr(recipe, field)),
        format_func=lambda value: known[value],
        help=choice_help.help_of(field, getattr(recipe, field)),
    )


def _alike(recipe: Recipe) -> Fields:
    """How filters are compared and put into clusters."""
    return _choices(recipe, "similarity", "clustering", "cluster_rule") | {
        "kappa": st.number_input(
            "Clusters for each kept filter", 0.01, 1.0, recipe.kappa, 0.05,
            help="Used where the number of clusters is a share of the kept filters.",
        ),
        "seed": int(st.number_input("Seed", 0, 2**31 - 1, recipe.seed)),
    }  # fmt: skip


def _chosen(recipe: Recipe) -> Fields:
    """Which filters of a group stay, and what is made up for."""
    return {
        **_choices(recipe, "selection", "criterion"),
        "balance": st.slider(
            "Importance against variety", 0.0, 1.0, recipe.balance, 0.05,
            help="1 keeps the most important filters of a cluster, 0 the most different ones.",
        ),
        **_choices(recipe, "compensation", "coupled"),
    }  # fmt: skip


def _shared_out(recipe: Recipe) -> Fields:
    """How the target is shared out among the groups."""
    return _choices(recipe, "allocation", "dispersion") | {
        "gamma": st.number_input(
            "Gamma", 0.0, 16.0, recipe.gamma, 0.5,
            help="0 treats all groups alike; the larger, the more dispersion decides.",
        ),
        "max_ratio": st.number_input(
            "No group loses more than", 0.0, 0.99, recipe.max_ratio, 0.05
        ),
        "rounding": int(st.number_input(
            "Kept filters are a multiple of", 1, 64, recipe.rounding,
            help="8 often runs faster on the same number of MACs.",
        )),
    }  # fmt: skip


def _choices(recipe: Recipe, *fields: str) -> Fields:
    return {field: _choice(recipe, field) for field in fields}


def _evidence_note(evidence: Evidence) -> None:
    """What is there of the evidence that some choices ask for."""
    here = [words for name, words in EVIDENCE_NAMES.items() if getattr(evidence, name) is not None]
    text = "Choices marked 'images' need a look at images, 'sensitivity' a measurement."
    text += f" There is: {', '.join(here)}." if here else " There is neither yet."
    st.caption(text + " What a recipe lacks can be gathered on this page once it is in use.")
