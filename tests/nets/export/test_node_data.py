import json

import pytest
import torch

import sfp_viz as sfp
from sfp_viz.core.cost.cost import cost
from sfp_viz.nets.export.node_data import GRAPH, QUANTITIES, export_node_data, node_data
from sfp_viz.nets.io.exported_file import export_pt2
from sfp_viz.nets.io.load import load_model
from tests.nets.export.test_state_dict_file import pruned


def test_each_layer_has_its_values_at_its_node_of_the_pt2_file(tmp_path):
    model = pruned(load_model("lenet5_digits"), 0.5)
    export_pt2(model, tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2")
    files = export_node_data(model, tmp_path / "data")
    assert [file.stem for file in files] == list(QUANTITIES)
    kept, redundancy, macs = (json.loads(file.read_text())[GRAPH] for file in files)
    names = {node.name for node in program.graph.nodes}
    assert set(kept["results"]) <= names
    assert set(macs["results"]) == {"conv2d", "conv2d_1", "linear", "linear_1"} <= names
    total = cost(sfp.read_network(model)).macs
    assert sum(entry["value"] for entry in macs["results"].values()) == total
    filters = model.module.get_submodule("conv2").out_channels
    assert kept["results"]["conv2d_1"]["value"] == pytest.approx(filters / 48)
    assert all(0 <= entry["value"] <= 1 for entry in redundancy["results"].values())
    assert [stop["stop"] for stop in kept["gradient"]] == [0, 1]


def test_duplicates_are_redundant():
    model = load_model("lenet5_digits")
    with torch.no_grad():
        weight = model.module.get_submodule("conv1").weight
        weight.copy_(weight[:1].expand_as(weight))
    values = node_data(model.with_module(model.module)).values
    assert values["redundancy"]["conv1"] == pytest.approx(1, abs=1e-4)
    assert set(values["kept_share"].values()) == {1.0}
