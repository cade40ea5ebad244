"""Compare: accuracy against MACs beside plain ways of pruning; and two plans with each other."""

import streamlit as st

from sfp_viz.ui import (
    comparison,
    entry,
    image_field,
    loaders,
    plan_compare,
    problems,
    run_view,
    starting,
    state,
    views,
)

entry.through("pages/compare.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    runs = run_view.runs_of(network.digest)

if views.choose("compare", "What to compare") == "Plans":
    plan_compare.page(network)
    st.stop()

st.markdown(
    "Is the plan better than pruning the plain way to the same MACs? Up and to the left is better."
)

with st.container(horizontal=True, vertical_alignment="bottom"):
    data = image_field.ask_images(network, key="compare_images")
    clicked = st.button(
        "Measure one-shot accuracies", type="primary", disabled=not (data and network.free)
    )
if not network.free:
    st.info("No group of this network can be cut, so there is nothing to compare.")
    st.stop()

subject = starting.Subject(session.model, session.recipe, session.edits, data)
if clicked:
    place = st.empty()
    with problems.stopping(), place.status("Pruning and measuring", expanded=True):
        for point in comparison.measured(subject):
            st.write(point.label)
        comparison.mark_measured(subject)
    place.empty()

points = comparison.trained(runs, data)
with problems.stopping():
    if data and comparison.is_measured(subject):
        points = [*comparison.measured(subject), *points]
if not points:
    st.caption(
        "Nothing has been measured yet. The button prunes copies by this plan, by uniform L1 and "
        "at random (three times), all to the same MACs, and measures each."
    )
    st.stop()

if finding := comparison.finding(points):
    st.markdown(f"**{finding}**")
comparison.chart(points)
if other := [run for run in runs if run.data != data]:
    st.caption(f"{len(other)} runs used other images, so they are not on this chart.")

st.subheader("Fine-tune a baseline too")
comparison.baseline_buttons(subject, runs)
