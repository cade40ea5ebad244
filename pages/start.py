"""Start: one network is shown already; other networks and runs are one click away."""

import streamlit as st

from sfp_viz.ui import problems, start
from sfp_viz.ui.session import entry

entry.enter_through_app("pages/start.py")

st.markdown(
    "Make a trained network smaller: see which of its filters are redundant, prune them, "
    "fine-tune the pruned network, and see the cost and accuracy at every step."
)
resume_box = st.container()
left, right = st.columns([3, 2], gap="medium")
with left, st.container(border=True), problems.catch():
    start.map_panel()
with right:
    with st.container(border=True), problems.catch():
        st.markdown("**This network**")
        start.facts()
        st.page_link("pages/plan.py", label="Plan the pruning", icon=":material/arrow_forward:")
        st.page_link("pages/learn.py", label="Learn how pruning works", icon=":material/school:")
    with problems.catch():
        st.markdown("**Other networks**")
        start.other_samples()
        start.stored_networks()
        st.page_link("pages/model.py", label="Open your own network", icon=":material/upload_file:")
    with problems.catch():
        start.runs()
with resume_box, problems.catch():  # last: another network may have to be opened for it
    start.resume_offer()
