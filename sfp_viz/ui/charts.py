"""How a figure stands on a page: in the theme's colors, with words for those who cannot see it."""

from __future__ import annotations

from typing import Any

import streamlit as st


def draw(figure: Any, *, key: str, alt: str) -> None:
    """Show a plotly ``figure``; ``alt`` says what is to be seen in it."""
    from sfp_viz.figures.theme import for_app

    st.plotly_chart(
        for_app(figure),
        key=key,
        alt=alt,
        config={"displaylogo": False, "modeBarButtons": [["toImage"]]},
    )
