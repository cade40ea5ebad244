"""What pages say of weights without a network: they can be explored, and not cut or run."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.errors import EXPORT_ADVICE, EXPORT_LINES
from sfp_viz.ui import problems


def stop_if_bare(network: Network) -> None:
    """Say which file would let the network be pruned, and stop the page, where there are weights
    alone.

    Args:
        network: The network of the page.
    """
    if not network.is_bare:
        return
    st.info(
        "These are weights without their network, so they can be explored but not pruned or run."
    )
    way_out()
    st.page_link("pages/explore.py", label="Explore the filters", icon=":material/arrow_forward:")
    st.stop()


def way_out() -> None:
    """The lines that write a file that can be pruned."""
    st.markdown(problems.plain(EXPORT_ADVICE))
    st.code(EXPORT_LINES, language="python", wrap_lines=True)
