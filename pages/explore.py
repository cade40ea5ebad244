"""Explore: which filters of a layer are alike, and what becomes of them."""

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.explore import depth
from sfp_viz.ui.explore import panels as explore
from sfp_viz.ui.explore.ratio_panel import ratio_panel
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/explore.py")

with problems.stopping():
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        st.info(
            "No group of filters could be found in this network, so there is nothing to cut. "
            "The Model page names the reasons."
        )
        st.stop()

    explore.strip()
    explore.begin()
    explore.linked()
    view = explore.current_view()
    ratio_panel(view)
    depth.dispersion_over_depth(view)
