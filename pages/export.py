"""Export: take the smaller network away, with the recipe and plan that made it."""

import streamlit as st

from sfp_viz.runs.results.summary import finished
from sfp_viz.ui import exporting, image_field, loaders, planned, problems
from sfp_viz.ui.check import repair_view
from sfp_viz.ui.plan import take_along
from sfp_viz.ui.session import entry, state

entry.through("pages/export.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    runs = finished(loaders.home(), network.digest)

if not network.free:
    st.info("No group of this network can be cut, so there is no smaller network to take along.")
    st.stop()

with st.container(border=True):
    data = image_field.here(network)
    here = exporting.Source(session.model, session.recipe, session.edits, data)
    plan = planned.hash_or_none(session.model, session.recipe, session.edits)
    source = exporting.source_of(here, runs, plan)
    st.caption(problems.plain(exporting.facts(source, runs)))
    if not source.run and not data:
        repair_view.without_images(
            session.recipe, how="Choose images on the page Check to have both done."
        )

name = exporting.file_name(source, network, runs, plan)
weights, onnx, torch_program = st.columns(3, gap="medium")
with weights.container(border=True, height="stretch"):
    st.subheader("Weights")
    st.markdown("Safetensors, with everything needed to build the network again.")
    exporting.weights(source, name)
with onnx.container(border=True, height="stretch"):
    st.subheader("ONNX")
    st.markdown("For other programs; compared with the network in onnxruntime.")
    exporting.converted(source, name, kind="onnx", make=exporting.onnx_file)
with torch_program.container(border=True, height="stretch"):
    st.subheader("torch.export")
    st.markdown("A .pt2 program that runs without this package; compared with the network too.")
    exporting.converted(source, name, kind="pt2", make=exporting.torch_file)

st.subheader("How it was made")
with st.container(horizontal=True):
    made_by = exporting.made_by(source, runs)
    take_along.recipe_button(network, made_by)
    take_along.plan_button(network, made_by)
words, lines = exporting.shell(source, network, runs, name)
st.markdown(words)
st.code(lines, language=None, wrap_lines=True)
