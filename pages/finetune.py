"""Fine-tune: train the pruned network in the background, and watch its curves live."""

import streamlit as st

from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.network import bare
from sfp_viz.ui.runs import live, trash
from sfp_viz.ui.session import entry, state
from sfp_viz.ui.training import start, start_form

entry.enter_through_app("pages/finetune.py")

with problems.catch_and_stop():
    session = state.session()
    network = loaders.network(session.model)
    runs = known_runs.runs_of(network.digest)

bare.stop_if_bare(network)
trash.bar()
left, right = st.columns([4, 9], gap="medium")
with left:
    listed = st.container()
    number = st.session_state.get(start.STARTED, 0)  # after a start it is a new one, closed
    with st.expander("New run", expanded=not runs, icon=":material/add:", key=f"new_run_{number}"):
        plan_place = st.container()
        data = image_field.ask_images(network, key="finetune_images")
        subject = Subject(session.model, session.request, data)
        if network.free and not network.outputs:
            start_form.start_form(network, subject)
        elif not network.free:
            st.info("No group of this network can be pruned, so there is nothing to fine-tune.")
with right.container(border=True):
    live.watch(network.digest, listed=listed, place=st.container())
if network.free and not network.outputs:  # last: making the plan of a large network takes a moment
    with plan_place, problems.catch():
        start_form.plan_caption(subject)
