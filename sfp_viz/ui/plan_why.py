"""Why a group keeps what it keeps: a sentence, the formula, and this group's numbers in it."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.reasons import why_ratio
from sfp_viz.ui import by_hand, loaders, problems, state
from sfp_viz.ui.by_hand import Asked
from sfp_viz.ui.plan_view import Widths


def why(network: Network, asked: Asked, widths: Widths) -> None:
    """The reason for the suggestion of the chosen group."""
    group = loaders.group_of(state.session())
    if group is None or by_hand.is_fixed(group, asked.edits):
        return
    spread = loaders.dispersions_or_none(state.session().model, asked.recipe).get(group.name, 1.0)
    share = widths.suggested.get(group.name, group.size)
    st.markdown("**Why this ratio?**")
    st.write(problems.plain(why_ratio(network, group.name, spread, share, asked.recipe)))
