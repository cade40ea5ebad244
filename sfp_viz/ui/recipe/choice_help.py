"""What the choices of a recipe mean, to read beside its form."""

from __future__ import annotations

import streamlit as st

from sfp_viz.ui.recipe.choice_text import ABOUT
from sfp_viz.ui.recipe.recipe_text import HELP, LABELS, WORDS


def help_of(field: str, choice: str) -> str:
    """The help beside the field of a form: what it decides, and what ``choice``, in use now, is."""
    return f"{HELP[field]}\n\nIn use: **{WORDS[field][choice]}**. {ABOUT[field][choice]}"


@st.fragment
def meanings() -> None:
    """All choices of one field, each with its formula, range, cost and source."""
    with st.expander("What each choice means"):
        field = st.selectbox(
            "A field of the recipe", list(ABOUT), format_func=LABELS.__getitem__,
            index=list(ABOUT).index("criterion"), key="choices_about",
        )  # fmt: skip
        st.caption(HELP[field])
        for choice, words in ABOUT[field].items():
            st.markdown(f"**{WORDS[field][choice]}** · {words}")
