"""Export: download the pruned network, with its recipe and plan."""

import streamlit as st

from sfp_viz.runs.results.summary import finished_runs
from sfp_viz.ui import export, image_field, problems
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.check import compensation_view
from sfp_viz.ui.network import bare
from sfp_viz.ui.recipe import plan_files
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/export.py")

with problems.catch_and_stop():
    session = state.session()
    network = loaders.network(session.model)
    runs = finished_runs(loaders.home(), network.digest)

bare.stop_if_bare(network)
if not network.free:
    st.info("No group of this network can be pruned, so there is nothing to export.")
    st.stop()

with st.container(border=True):
    data = image_field.available_images(network)
    here = export.Source(session.model, session.request, data)
    plan = planned.hash_or_none(session.model, session.request)
    source = export.source_of(here, runs, plan)
    st.caption(problems.plain(export.facts(source, runs)))
    if not source.run and not data:
        compensation_view.without_images(
            network, session.recipe, how="Choose images on the Check page to calibrate it."
        )

name = export.file_name(source, network, runs, plan)
weights, pytorch, program = st.columns(3, gap="medium")
with weights.container(border=True, height="stretch"):
    st.subheader("Weights")
    st.markdown("A safetensors file with everything needed to rebuild the network here.")
    export.weights(source, name)
    st.caption("Opened and compared at batches of 1, 3 and 32 before the download.")
with pytorch.container(border=True, height="stretch"):
    st.subheader("PyTorch")
    work = "cuts your own network" if export.is_program(session.model) else "builds the network"
    st.markdown(f"The plain state_dict, and Python code that {work} and loads it, without sfp-viz.")
    exported = export.conversion(source, name, kind="state_dict", make=export.state_dict_files)
with program.container(border=True, height="stretch"):
    st.subheader("torch.export")
    st.markdown("A .pt2 program that runs without this package.")
    if export.is_program(session.model):
        st.caption("The network was opened from such a file.")
    export.conversion(source, name, kind="pt2", make=export.torch_file)
if exported:
    with st.expander("Module code"):
        st.code(exported.files[-1][2].decode(), language="python")

onnx, onnx_int8, nodes = st.columns(3, gap="medium")
with onnx.container(border=True, height="stretch"):
    st.subheader("ONNX")
    st.markdown("For other runtimes, with any batch size. Checked in onnxruntime.")
    export.conversion(source, name, kind="onnx", make=export.onnx_file)
with onnx_int8.container(border=True, height="stretch"):
    st.subheader("ONNX int8")
    st.markdown("Static quantization, calibrated on images and measured beside float32.")
    export.int8(source, network, name)
with nodes.container(border=True, height="stretch"):
    st.subheader("Model Explorer")
    st.markdown(
        "Kept share, redundancy and MACs of each layer, shown on the graph of the .pt2 file.",
        help="Install ai-edge-model-explorer, then run model-explorer NAME.pt2 "
        "--node_data_paths=NAME.macs.json (several files with commas). The app also opens them "
        "with its button for node data.",
    )
    export.conversion(source, name, kind="nodes", make=export.node_data_files)

st.subheader("Recipe and plan")
with st.container(horizontal=True):
    source_plan = export.plan_of_run(source, runs)
    plan_files.recipe_button(network, source_plan)
    plan_files.plan_button(network, source_plan)
st.page_link("pages/compare.py", label="Report of all runs of this network (on Compare)")
text, commands = export.command_line(source, network, runs, name)
st.markdown(text)
st.code(commands, language=None, wrap_lines=True)
