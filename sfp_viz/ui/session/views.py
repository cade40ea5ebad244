"""How a page shows its things (map or table, colors): choices that stand in the link.

A choice is only looking: no step of undo. Widgets forget when their page is left; this does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

KNOWN: Mapping[str, tuple[str, ...]] = {
    "map": ("UMAP", "PCA"),
    "plan": ("Bars", "Table"),
    "compare": ("Runs", "Plans"),
    "against": ("MACs", "Params", "Latency"),
    "published": ("Off", "On"),
}  # the first of each is the default
_KEY = "views"


def chosen(name: str) -> str:
    """The choice called ``name``: one of ``KNOWN[name]``."""
    return st.session_state.get(_KEY, {}).get(name, KNOWN[name][0])


def pick(name: str, choice: str | None) -> None:
    """Choose; what is not known changes nothing."""
    if choice in KNOWN.get(name, ()):
        st.session_state[_KEY] = {**st.session_state.get(_KEY, {}), name: choice}


def choose(name: str, label: str = "View") -> str:
    """Draw the choice called ``name`` as a row of options; what is chosen."""
    key = f"view {name}"
    st.segmented_control(
        label, KNOWN[name], default=chosen(name), key=key, required=True,
        label_visibility="collapsed", on_change=lambda: pick(name, st.session_state[key]),
    )  # fmt: skip
    return chosen(name)


def text() -> str:
    """The choices that are not the default, for a link: 'map-PCA.plan-Table', or ''."""
    return ".".join(f"{name}-{chosen(name)}" for name in KNOWN if chosen(name) != KNOWN[name][0])


def read(text: str) -> None:
    """Take over the choices of a link; what is unknown is passed over."""
    for part in text[:400].split("."):
        name, _, choice = part.partition("-")
        pick(name, choice)
