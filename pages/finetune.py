"""Fine-tune: train the pruned network in the background, and watch its curves."""

import streamlit as st

from sfp_viz.ui import (
    entry,
    image_field,
    known_runs,
    live,
    loaders,
    problems,
    queue_panel,
    run_form,
    starting,
    state,
    trash,
)

entry.through("pages/finetune.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    runs = known_runs.runs_of(network.digest)

trash.bar()
left, right = st.columns([4, 9], gap="medium")
with left:
    listed = st.container()
    queue_panel.panel()
    with st.expander("New run", expanded=not runs, icon=":material/add:"):
        data = image_field.ask_images(network, key="finetune_images")
        if network.free:
            subject = starting.Subject(session.model, session.recipe, session.edits, data)
            run_form.start_form(network, subject)
        else:
            st.info("No group of this network can be cut, so there is nothing to fine-tune.")
with right.container(border=True):
    place = st.container()
    if runs:
        live.watch(network.digest, listed=listed, place=place)
    else:
        place.subheader("No run yet")
        place.caption(
            "The pruned network learns from the unpruned one, in a process of its own: a run goes "
            "on when this page is closed, and is found again from here. Accuracy, loss, "
            "temperature, learning rate and speed appear epoch by epoch."
        )
