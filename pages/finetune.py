"""Fine-tune: train the pruned network in the background, and watch its curves."""

import streamlit as st

from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.runs import live, trash
from sfp_viz.ui.session import entry, state
from sfp_viz.ui.training import start
from sfp_viz.ui.training import start_form as run_form

entry.enter_through_app("pages/finetune.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    runs = known_runs.runs_of(network.digest)

trash.bar()
left, right = st.columns([4, 9], gap="medium")
with left:
    listed = st.container()
    begun = st.session_state.get(start.STARTED, 0)  # after a start it is another one, closed
    with st.expander("New run", expanded=not runs, icon=":material/add:", key=f"new_run_{begun}"):
        by_plan = st.container()
        data = image_field.ask_images(network, key="finetune_images")
        subject = start.Subject(session.model, session.recipe, session.edits, data)
        if network.free:
            run_form.start_form(network, subject)
        else:
            st.info("No group of this network can be cut, so there is nothing to fine-tune.")
with right.container(border=True):
    live.watch(network.digest, listed=listed, place=st.container())
if network.free:  # last: to choose the filters of a large network takes a moment
    with by_plan, problems.shown():
        run_form.plan_line(subject)
