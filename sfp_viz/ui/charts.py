"""How a figure stands on a page: in the theme's colors, with words for those who cannot see it."""

from __future__ import annotations

from typing import Any

import streamlit as st


def draw(figure: Any, *, key: str, alt: str) -> None:
    """Draw a plotly figure in the colors of the theme.

    Args:
        figure: The figure.
        key: Key of the element.
        alt: What the figure shows, for screen readers.
    """
    from sfp_viz.figures.theme import for_app

    st.plotly_chart(
        for_app(figure),
        key=key,
        alt=alt,
        config={"displaylogo": False, "modeBarButtons": [["toImage"]]},
    )
