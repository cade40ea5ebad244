"""The layer of published results: whose to show, and what to keep in mind about them."""

from __future__ import annotations

import re

import streamlit as st

from sfp_viz.core.comparison.published import Published, drawable, published, subjects
from sfp_viz.core.comparison.tradeoff import Axis
from sfp_viz.core.network import Network
from sfp_viz.text.published import CAVEATS
from sfp_viz.ui import problems
from sfp_viz.ui.session import view_options

ALL = "All of them"
_MOST_KNOWN = "ResNet-56 on CIFAR-10"  # the network with most rows
_CHOSEN = "published of"  # session_state: what was chosen, by the digest of the network


def toggle(axis: Axis) -> bool:
    """The switch; whether published results are to be drawn."""
    on = view_options.current_option("published") == "On"

    def turned() -> None:
        wanted = "On" if st.session_state["published switch"] else "Off"
        if wanted != view_options.current_option("published"):
            view_options.set_option("published", wanted)

    off = axis == "latency"
    st.toggle(
        "Published results", on and not off, key="published switch" if not off else None,
        on_change=None if off else turned, disabled=off,
        help="Nobody's published latency was measured on this machine, so they cannot stand here."
        if off
        else "What others reported for their networks, as drop against drop. The vertical axis "
        "becomes the change against the unpruned network.",
    )  # fmt: skip
    return on and not off


def rows(network: Network, axis: Axis) -> tuple[Published, ...]:
    """Ask of which network; its rows, with a sentence on what they are."""
    options = (*subjects(), ALL)
    known = subject_of(network)
    kept = st.session_state.get(_CHOSEN, {}).get(network.digest, known or _MOST_KNOWN)

    def picked() -> None:
        name = st.session_state[f"published of {network.digest}"]
        st.session_state[_CHOSEN] = {**st.session_state.get(_CHOSEN, {}), network.digest: name}

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Published for", options, options.index(kept), key=f"published of {network.digest}",
            on_change=picked, width=300,
        )  # fmt: skip
    mine = tuple(row for row in published() if name in (ALL, row.subject))
    found = drawable(mine, axis=axis)
    st.info(
        "**The vertical axis is now the accuracy change against the unpruned network**, the "
        "horizontal one what was saved of it: other people's accuracies cannot be set beside ours."
        + (f" None of these networks is {problems.plain(network.name)}." if not known else "")
    )
    with st.expander("What to keep in mind about published numbers"):
        for text in CAVEATS:
            st.markdown(f"- {problems.plain(text)}")
        left = len(mine) - len(found)
        st.caption(
            f"{len(found)} of {len(mine)} rows are drawn; {left} give no change, or no saving, or "
            "contradict themselves. Each cross names its source when the mouse is on it."
        )
    return found


def subject_of(network: Network) -> str:
    """What the network is called in the published rows; '' where it is not there."""
    name, data = _plain(network.name), _plain(network.data)
    for subject in subjects():
        what, where = subject.split(" on ")
        if data == _plain(where) and re.search(rf"{_plain(what)}(?!\d)", name):
            return subject
    return ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
