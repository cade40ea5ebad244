"""Published results on the chart: which ones to show, and how to read them."""

from __future__ import annotations

import re

import streamlit as st

from sfp_viz.core.comparison.published import Published, drawable, published, subjects
from sfp_viz.core.comparison.tradeoff import Axis
from sfp_viz.core.network import Network
from sfp_viz.text.published import CAVEATS
from sfp_viz.ui import problems
from sfp_viz.ui.session import view_options

ALL = "All networks"
_MOST_KNOWN = "ResNet-56 on CIFAR-10"  # the network with most rows
_CHOSEN = "published of"  # session_state: the chosen network, by the digest of ours


def toggle(axis: Axis) -> bool:
    """Draw the switch; returns whether to show published results. Off for latencies."""
    on = view_options.current_option("published") == "On"

    def toggle_published() -> None:
        option = "On" if st.session_state["published switch"] else "Off"
        if option != view_options.current_option("published"):
            view_options.set_option("published", option)

    off = axis == "latency"
    st.toggle(
        "Published results", on and not off, key="published switch" if not off else None,
        on_change=None if off else toggle_published, disabled=off,
        help="Published latencies were not measured on this machine, so they cannot be compared."
        if off
        else "Results reported in papers: accuracy change against reduction. The vertical axis "
        "then shows the change from the unpruned network.",
    )  # fmt: skip
    return on and not off


def rows(network: Network, axis: Axis) -> tuple[Published, ...]:
    """Draw the choice of a network and how to read published results.

    Args:
        network: The network.
        axis: The cost axis.

    Returns:
        The published results of that network that have a place on the axis.
    """
    options = (*subjects(), ALL)
    own_subject = subject_of(network)
    selected_network = st.session_state.get(_CHOSEN, {}).get(
        network.digest, own_subject or _MOST_KNOWN
    )

    def choose() -> None:
        name = st.session_state[f"published of {network.digest}"]
        st.session_state[_CHOSEN] = {**st.session_state.get(_CHOSEN, {}), network.digest: name}

    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Published results for", options, options.index(selected_network),
            key=f"published of {network.digest}", on_change=choose, width=300,
        )  # fmt: skip
    selected = tuple(row for row in published() if name in (ALL, row.subject))
    visible = drawable(selected, axis=axis)
    st.info(
        "**The vertical axis now shows the accuracy change from the unpruned network**, the "
        "horizontal axis the reduction. Accuracies from papers cannot be compared directly."
        + ("" if own_subject else f" There are no results for {problems.plain(network.name)}.")
    )
    with st.expander("How to read published results"):
        for text in CAVEATS:
            st.markdown(f"- {problems.plain(text)}")
        omitted = len(selected) - len(visible)
        st.caption(
            f"{len(visible)} of {len(selected)} results are shown. The other {omitted} report no "
            "accuracy change or no reduction, or are inconsistent. Hover over a cross to see its "
            "source."
        )
    return visible


def subject_of(network: Network) -> str:
    """The name of ``network`` in the published results; '' if it is not among them."""
    name, data = _plain(network.name), _plain(network.data)
    for subject in subjects():
        architecture, dataset = subject.split(" on ")
        if data == _plain(dataset) and re.search(rf"{_plain(architecture)}(?!\d)", name):
            return subject
    return ""


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
