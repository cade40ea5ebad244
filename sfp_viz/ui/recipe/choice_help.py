"""What the choices of a recipe mean, as help beside its form."""

from __future__ import annotations

import streamlit as st

from sfp_viz.text.recipe import CHOICE_NAMES, FIELD_HELP, FIELD_LABELS
from sfp_viz.text.recipe_choices import CHOICE_MEANINGS


def help_of(field: str, choice: str) -> str:
    """The help text of a field of the recipe: what it decides, and what its choice in use means.

    Args:
        field: A field of Recipe.
        choice: The value in use.
    """
    in_use = f"In use: **{CHOICE_NAMES[field][choice]}**. {CHOICE_MEANINGS[field][choice]}"
    return f"{FIELD_HELP[field]}\n\n{in_use}"


@st.fragment
def choice_meanings() -> None:
    """All choices of one field, each with its formula, range, cost and source."""
    with st.expander("What each choice means"):
        field = st.selectbox(
            "Field of the recipe", list(CHOICE_MEANINGS), format_func=FIELD_LABELS.__getitem__,
            index=list(CHOICE_MEANINGS).index("criterion"), key="choices_about",
        )  # fmt: skip
        st.caption(FIELD_HELP[field])
        for choice, words in CHOICE_MEANINGS[field].items():
            st.markdown(f"**{CHOICE_NAMES[field][choice]}** · {words}")
