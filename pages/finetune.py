"""Fine-tune: train the pruned network in the background, and watch its curves."""

import streamlit as st

from sfp_viz.ui import (
    entry,
    image_field,
    loaders,
    problems,
    run_form,
    run_view,
    starting,
    state,
    trash,
)

entry.through("pages/finetune.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    runs = run_view.runs_of(network.digest)
    run = run_view.chosen(runs)

st.markdown(
    "The pruned network learns from the unpruned one, in a process of its own: the run goes on "
    "when this page is closed, and can be watched again from here."
)

trash.bar()
left, right = st.columns([4, 8], gap="medium")
with left.container(border=True):
    st.subheader("A new run")
    data = image_field.ask_images(network, key="finetune_images")
    if network.free:
        subject = starting.Subject(session.model, session.recipe, session.edits, data)
        run_form.start_form(network, subject)
    else:
        st.info("No group of this network can be cut, so there is nothing to fine-tune.")
with right.container(border=True):
    if run is None:
        st.subheader("No run yet")
        st.caption("Accuracy, loss and temperature appear here, epoch by epoch, once one started.")
    else:
        run_view.watch(run)

if runs:
    st.subheader("Runs of this network")
    run_view.table(runs)
if run is not None and run.state == "finished":
    with st.container(horizontal=True):
        st.page_link("pages/compare.py", label="Compare", icon=":material/arrow_forward:")
        st.page_link("pages/export.py", label="Take it along", icon=":material/arrow_forward:")
