"""Leaves Ctrl+Z and Ctrl+Shift+Z to a text field while it is written in. Nothing is drawn."""

from __future__ import annotations

from sfp_viz.ui.components.load import load

_keys = load("text_keys")


def text_keys(*, key: str = "text_keys") -> None:
    """Mount it once on a page; Streamlit's shortcuts take these keys from text fields too."""
    _keys(key=key, data={}, width="content")
