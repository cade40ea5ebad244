"""Export: take the smaller network away, with the recipe and plan that made it."""

import streamlit as st

from sfp_viz.runs.results.summary import finished
from sfp_viz.ui import export, image_field, problems
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.check import repair_view
from sfp_viz.ui.recipe import plan_files
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/export.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    runs = finished(loaders.home(), network.digest)

if not network.free:
    st.info("No group of this network can be cut, so there is no smaller network to take along.")
    st.stop()

with st.container(border=True):
    data = image_field.here(network)
    here = export.Source(session.model, session.recipe, session.edits, data)
    plan = planned.hash_or_none(session.model, session.recipe, session.edits)
    source = export.source_of(here, runs, plan)
    st.caption(problems.plain(export.facts(source, runs)))
    if not source.run and not data:
        repair_view.without_images(
            session.recipe, how="Choose images on the page Check to have both done."
        )

name = export.file_name(source, network, runs, plan)
weights, onnx, torch_program = st.columns(3, gap="medium")
with weights.container(border=True, height="stretch"):
    st.subheader("Weights")
    st.markdown("Safetensors, with everything needed to build the network again.")
    export.weights(source, name)
with onnx.container(border=True, height="stretch"):
    st.subheader("ONNX")
    st.markdown("For other programs; compared with the network in onnxruntime.")
    export.converted(source, name, kind="onnx", make=export.onnx_file)
with torch_program.container(border=True, height="stretch"):
    st.subheader("torch.export")
    st.markdown("A .pt2 program that runs without this package; compared with the network too.")
    export.converted(source, name, kind="pt2", make=export.torch_file)

st.subheader("How it was made")
with st.container(horizontal=True):
    made_by = export.made_by(source, runs)
    plan_files.recipe_button(network, made_by)
    plan_files.plan_button(network, made_by)
words, lines = export.shell(source, network, runs, name)
st.markdown(words)
st.code(lines, language=None, wrap_lines=True)
