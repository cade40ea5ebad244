"""The recipe as a form: how the filters are compared, grouped, ranked and chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core import recipe as recipes
from sfp_viz.core.recipe import Recipe
from sfp_viz.ui import state

NAMES: Mapping[str, str] = {
    "default": "Similarity, our defaults",
    "paper_sfp": "SFP, our reading of the paper",
    "uniform_l1": "Uniform L1 (baseline)",
    "fpgm": "FPGM (baseline)",
    "random": "Random (baseline)",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "similarity": {
        "cosine": "Direction (cosine)",
        "euclidean": "Distance (Euclidean)",
        "correlation": "Direction without the mean (correlation)",
    },
    "clustering": {"kmeans": "k-means", "agglomerative": "Agglomerative (Ward)"},
    "selection": {
        "clusters": "Representatives of each cluster",
        "ranking": "The most important of the whole group",
    },
    "criterion": {
        "l1": "Sum of absolute weights (L1)",
        "l2": "Length of the filter (L2)",
        "fpgm": "Distance to the other filters (FPGM)",
        "bn_scale": "Scale of the BatchNorm after it",
        "random": "Drawn at random",
    },
    "allocation": {
        "dispersion": "By Kernel Dispersion",
        "uniform": "The same everywhere",
    },
    "dispersion": {"nearest": "Nearest filter", "effective_rank": "Effective rank"},
    "coupled": {"protect": "Leave them whole", "shared": "Cut them together"},
    "compensation": {"none": "None", "bias": "Into the next bias"},
}


def recipe_name(recipe: Recipe) -> str:
    """The name of a recipe among the named ones, whatever its target and seed; or ''."""
    plain = replace(recipe, target_reduction=0.5, seed=0)
    return next((name for name, make in recipes.NAMED.items() if make(0.5) == plain), "")


def recipe_popover(recipe: Recipe) -> None:
    """A button that opens the recipe; 'Use it' puts the changed recipe into the session."""
    name = recipe_name(recipe)
    with st.popover("Recipe", icon=":material/tune:"):
        st.selectbox(
            "Named recipes",
            list(NAMES),
            index=list(NAMES).index(name) if name else None,
            format_func=lambda known: NAMES[known],
            placeholder="Your own",
            key=f"recipe_name_{state.revision()}",
            on_change=_named,
        )
        with st.form(f"recipe_{state.revision()}", border=False):
            changed = _fields(recipe)
            if st.form_submit_button("Use it", type="primary"):
                state.change(recipe=replace(recipe, **changed))
                st.rerun()


def _named() -> None:
    name = st.session_state[f"recipe_name_{state.revision()}"]
    now = state.session().recipe
    if name:
        made = recipes.NAMED[name](now.target_reduction, seed=now.seed)
        state.change(recipe=replace(made, rounding=now.rounding, coupled=now.coupled))


def _fields(recipe: Recipe) -> dict:
    def choice(label: str, field: str, help: str = "") -> str:
        known = WORDS[field]
        return st.selectbox(
            label,
            list(known),
            index=list(known).index(getattr(recipe, field)),
            format_func=lambda value: known[value],
            help=help or None,
        )

    left, middle, right = st.columns(3)
    with left:
        similarity = choice("Filters are compared by", "similarity")
        clustering = choice("Clusters are found by", "clustering")
        kappa = st.number_input("Clusters for each kept filter", 0.01, 1.0, recipe.kappa, 0.05)
        seed = int(st.number_input("Seed", 0, 2**31 - 1, recipe.seed))
    with middle:
        selection = choice("Kept are", "selection")
        criterion = choice("A filter matters by", "criterion")
        balance = st.slider(
            "Importance against variety", 0.0, 1.0, recipe.balance, 0.05,
            help="1 keeps the most important filters of a cluster, 0 the most different ones.",
        )  # fmt: skip
        compensation = choice(
            "Make up for what went", "compensation", "Needs images to calibrate with."
        )
        coupled = choice("Layers tied by an addition", "coupled")
    with right:
        allocation = choice("Each group's share", "allocation")
        dispersion = choice("Kernel Dispersion from", "dispersion")
        gamma = st.number_input(
            "Gamma", 0.0, 16.0, recipe.gamma, 0.5,
            help="0 treats all groups alike; the larger, the more dispersion decides.",
        )  # fmt: skip
        max_ratio = st.number_input("No group loses more than", 0.0, 0.99, recipe.max_ratio, 0.05)
        rounding = st.number_input(
            "Kept filters are a multiple of", 1, 64, recipe.rounding,
            help="8 often runs faster on the same number of MACs.",
        )  # fmt: skip
    return {
        "similarity": similarity, "clustering": clustering, "kappa": kappa,
        "selection": selection, "criterion": criterion, "balance": balance,
        "allocation": allocation, "dispersion": dispersion, "gamma": gamma,
        "max_ratio": max_ratio, "rounding": int(rounding), "coupled": coupled,
        "compensation": compensation, "seed": seed,
    }  # fmt: skip
