"""Explore: which filters of a layer are alike, and which of them the plan keeps."""

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.explore import depth, panels
from sfp_viz.ui.explore.ratio_panel import ratio_panel
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/explore.py")

with problems.catch_and_stop():
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        st.info(
            "This network has no group of filters, so there is nothing to prune. The Model page "
            "says why."
        )
        st.stop()

    panels.strip()
    panels.begin()
    panels.linked()
    view = panels.current_view()
    ratio_panel(view)
    depth.dispersion_over_depth(view)
