"""How a page shows its contents (map or table, colors): options that are part of the link.

Choosing one changes no plan, so it is no step of undo. Widgets forget their value when their page
is left; these options do not.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "map": ("UMAP", "PCA"),
    "plan": ("Bars", "Table"),
    "compare": ("Runs", "Plans"),
    "against": ("MACs", "Params", "Latency"),
    "published": ("Off", "On"),
}  # the first of each is the default
_KEY = "views"


def current_option(name: str) -> str:
    """The value of the option ``name``: one of ``OPTIONS[name]``."""
    return st.session_state.get(_KEY, {}).get(name, OPTIONS[name][0])


def set_option(name: str, value: str | None) -> None:
    """Set an option; an unknown name or value changes nothing.

    Args:
        name: Name of the option.
        value: One of ``OPTIONS[name]``.
    """
    if value in OPTIONS.get(name, ()):
        st.session_state[_KEY] = {**st.session_state.get(_KEY, {}), name: value}


def option_control(name: str, label: str = "View") -> str:
    """Draw an option as a row of buttons; returns its value.

    Args:
        name: Name of the option.
        label: Label for screen readers.
    """
    key = f"view {name}"
    st.segmented_control(
        label, OPTIONS[name], default=current_option(name), key=key, required=True,
        label_visibility="collapsed", on_change=lambda: set_option(name, st.session_state[key]),
    )  # fmt: skip
    return current_option(name)


def to_query() -> str:
    """The options that are not at their default, for a link: 'map-PCA.plan-Table', or ''."""
    return ".".join(
        f"{name}-{current_option(name)}"
        for name in OPTIONS
        if current_option(name) != OPTIONS[name][0]
    )


def apply_query(text: str) -> None:
    """Take over the options of a link; unknown ones are passed over."""
    for pair in text[:400].split("."):
        name, _, value = pair.partition("-")
        set_option(name, value)
