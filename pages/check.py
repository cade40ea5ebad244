"""Check: prune a copy of the network, and measure it before and after."""

import streamlit as st

from sfp_viz.ui import image_field, problems, progress_line
from sfp_viz.ui.cached import loaders, measurements, planned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import check_view, checks, compensation_view, saved_check
from sfp_viz.ui.network import bare
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/check.py")

with problems.catch_and_stop():
    session = state.session()
    network = loaders.network(session.model)

bare.stop_if_bare(network)
st.markdown("Prunes a copy of the network and measures it on this machine, before any fine-tuning.")
has_images = bool(
    image_field.available_images(network)
)  # else a sentence separates field and button
with st.container(horizontal=has_images, vertical_alignment="bottom"):
    data = image_field.ask_images(network, key="check_images")
    clicked = st.button("Prune and measure", type="primary", disabled=not network.free)

if not network.free:
    st.info("No group of this network can be pruned. The Model page says why for each layer.")
    st.stop()

subject = Subject(session.model, session.request, data)
if clicked:
    place = st.empty()
    with (
        problems.catch_and_stop(),
        place.status("Pruning and measuring", expanded=True),
        progress_line.reporter("text") as progress,
    ):
        saved_check.save(subject, checks.measure_check(subject, progress=progress))
    place.empty()

with problems.catch_and_stop():
    saved = saved_check.find(subject)
if saved is None:
    st.caption(
        "The plan or the images have changed since the last check."
        if measurements.has_any(saved_check.WHAT, session.model)
        else "Nothing has been measured yet. Measuring takes seconds and does not change your "
        "network."
    )
    st.stop()

with problems.catch_and_stop():
    plan = planned.plan(subject.model, subject.request)
    check_view.numbers(saved.check, saved.when)
    compensation_view.show(network, session.recipe, saved.report, data)
    check_view.stages(subject)
    check_view.widths(network, plan)
    check_view.pruned_filters(plan)
    st.page_link(
        "pages/finetune.py", label="Fine-tune the pruned network", icon=":material/arrow_forward:"
    )
