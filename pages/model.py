"""Model: open a network and see its layers and which of them can be pruned."""

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.network import by_name, layer_report, opening, origin, report
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/model.py")

FORMS = {
    "A file": opening.file_form,
    "A sample": opening.sample_form,
    "By name": by_name.name_form,
}

left, right = st.columns([3, 2], gap="medium")
with right, st.container(border=True):
    st.markdown("**Open another network**")
    kind = st.segmented_control(
        "Source", list(FORMS), default="A file", key="open kind",
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    with problems.catch():
        FORMS[kind or "A file"]()

try:
    network = loaders.network(state.session().model)
except SfpError as problem:
    with left:
        report.damaged(problem)
    st.stop()

with left, problems.catch(), st.container(border=True):
    st.markdown("**Overview**")
    report.facts()
    if network.free:
        report.prunability(network)
    report.dead(network)
    if not network.is_bare:
        origin.entries(report.header_of(state.session().model))
if not network.free:
    with left, st.container(border=True):
        report.nothing_to_prune(network)
if not network.is_bare:
    with left if network.free else right, problems.catch(), st.container(border=True):
        report.baseline(network)
        origin.preprocessing(network, report.header_of(state.session().model))
with problems.catch():
    layer_report.layer_table(network)
