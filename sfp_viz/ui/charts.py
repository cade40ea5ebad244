"""How a figure stands on a page: in the theme's colors, with words for those who cannot see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    import plotly.graph_objects as go


def draw(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show ``figure``; ``alt`` says what is to be seen in it."""
    from sfp_viz.figures.theme import for_app

    st.plotly_chart(
        for_app(figure),
        key=key,
        alt=alt,
        config={"displaylogo": False, "modeBarButtons": [["toImage"]]},
    )
