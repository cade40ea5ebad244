"""Start: a network is on the screen already; other networks and runs are one click away."""

import streamlit as st

from sfp_viz.ui import problems, start
from sfp_viz.ui.session import entry

entry.enter_through_app("pages/start.py")

st.markdown(
    "Make a trained network smaller: see which of its filters repeat each other, take out those it "
    "can spare, fine-tune what is left, and read at each step what that costs."
)
way_back = st.container()
left, right = st.columns([3, 2], gap="medium")
with left, st.container(border=True), problems.shown():
    start.picture()
with right:
    with st.container(border=True), problems.shown():
        st.markdown("**This network**")
        start.facts()
        st.page_link(
            "pages/plan.py", label="Plan how to make it smaller", icon=":material/arrow_forward:"
        )
        st.page_link("pages/learn.py", label="Learn how it works", icon=":material/school:")
    with problems.shown():
        st.markdown("**Other networks**")
        start.others()
        start.stored()
        st.page_link(
            "pages/model.py", label="Open a network of your own", icon=":material/upload_file:"
        )
    with problems.shown():
        start.runs()
with way_back, problems.shown():  # last: another network may have to be opened for it
    start.go_on()
