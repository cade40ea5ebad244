"""Notices under the bar of every page: what a link or another network could not keep."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.session import state

_KEY = "notices"  # session_state: the step that they belong to, and the sentences


def notify(sentences: Sequence[str]) -> None:
    """Replace the notices of the current step.

    Args:
        sentences: What to say; empty for nothing.
    """
    st.session_state[_KEY] = (state.session().step, tuple(sentences))


def show() -> None:
    """Draw the notices of the current step, with a button that takes them away."""
    step, sentences = st.session_state.get(_KEY, (0, ()))
    if not sentences or step != state.session().step:
        return
    with st.container(border=True, key="notices"):
        text, button = st.columns([8, 1], vertical_alignment="center")
        text.markdown(f":material/info: {problems.plain(' '.join(sentences))}")
        button.button("Dismiss", key="notices_off", type="tertiary", on_click=notify, args=((),))
