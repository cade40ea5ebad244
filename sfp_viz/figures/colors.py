"""The colors of every picture. No plotly, so that pictures of kernels need none."""

from __future__ import annotations

# The light theme's categories; .streamlit/config.toml repeats them for the app.
PALETTE = (
    "#0b6e74",
    "#c2541d",
    "#5b4fb0",
    "#8a7a0a",
    "#b8336a",
    "#3f7f2f",
    "#3b72b8",
    "#7d5c4a",
)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "bowtie")
GREY = "rgba(128, 128, 128, 0.75)"
FAINT = "rgba(128, 128, 128, 0.28)"
# Negative, zero, positive: for weights and similarities, symmetric around 0.
DIVERGING = ((0.0, "#b8531f"), (0.5, "#f4f3ef"), (1.0, "#0b6e74"))
# The same two hues, red, green and blue, bright enough for a light and a dark page.
GLASS = ((205, 96, 36), (14, 138, 146))
