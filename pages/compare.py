"""Compare: accuracy against cost beside simple baselines; and two plans with each other."""

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.compare import runs
from sfp_viz.ui.plan import plan_diff
from sfp_viz.ui.session import entry, state, view_options

entry.enter_through_app("pages/compare.py")

with problems.catch_and_stop():
    network = loaders.network(state.session().model)

with problems.catch_and_stop():
    if view_options.option_control("compare", "Compare") == "Plans":
        plan_diff.page(network)
    else:
        if not network.free:
            st.info("No group of this network can be pruned, so there are no plans to compare.")
        runs.page(network)
