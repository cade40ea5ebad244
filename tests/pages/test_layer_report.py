"""The prunability report on the page Model: what can be cut, why not, cost and measured time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import CostTerm
from sfp_viz.nets.io import model_store
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.ui.network.layer_report import FOLLOWS, LARGE, NO, YES, _columns, layer_rows
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import press, said
from tests.tiny import NETS, randomize


def tiny(name: str) -> Model:
    return Model(randomize(NETS[name]()), name=name, input_shape=(3, 8, 8))


@pytest.mark.parametrize("name", [*NETS, "sample"])
def test_every_layer_has_a_line_and_its_macs_add_up_to_the_whole(name):
    network = sample_network("resnet20_cifar10") if name == "sample" else read_network(tiny(name))
    found = layer_rows(network)
    assert {layer.name for layer in network.layers} <= {line.layer for line in found}
    whole = cost_of_widths(network, {})
    assert sum(line.macs for line in found) == whole.macs
    assert sum(line.params for line in found) <= whole.params
    assert all(line.why for line in found if line.freedom != YES)
    assert found[-1].freedom == NO
    assert "Output layer" in found[-1].why


def test_a_depthwise_layer_goes_along_with_the_layer_before_it():
    found = {line.layer: line for line in layer_rows(read_network(tiny("depthwise")))}
    assert found["depth.0"].freedom == FOLLOWS
    assert found["depth.0"].why.startswith("Depthwise")
    assert found["expand"].freedom == FOLLOWS
    assert found["expand"].why.startswith("A gate")
    assert "pruned with it" in found["stem.0"].why
    assert "stem.0" in found["depth.0"].why
    assert found["depth.0"].group == found["stem.0"].group


def test_tied_layers_are_told_with_what_ties_them():
    found = {line.layer: line for line in layer_rows(read_network(tiny("residual")))}
    assert found["stem.0"].group == found["outer.0"].group == "stem.0"
    assert "outer.0" in found["stem.0"].why


def test_a_hidden_linear_layer_is_told_by_its_neurons_and_the_maps_they_read():
    found = {line.layer: line for line in layer_rows(sample_network("lenet5_digits"))}
    assert (found["fc1"].freedom, found["fc1"].size) == (YES, "48 × 2 × 2")
    assert "units" in found["fc1"].why
    assert found["conv2"].size == "20 × 3 × 3"
    assert "units" not in found["conv2"].why


def test_the_answers_of_the_last_layer_are_not_called_filters(open_page):
    told = open_page("model").dataframe[0].value.set_index("layer")["filters"]
    assert told["fc1"] == 64
    assert told.isna()["fc2"]


def test_a_linear_layer_too_large_to_compare_says_so():
    from sfp_viz.nets.tracing.execution import MOST_WEIGHTS

    assert LARGE == MOST_WEIGHTS
    network = sample_network("lenet5_digits")
    big = CostTerm("huge", 1, 1, 0, (("", 3000),), (("", 2000),))
    last = network.terms[-1]
    found = layer_rows(replace(network, terms=(*network.terms[:-1], big, last)))
    line = next(line for line in found if line.layer == "huge")
    assert line.freedom == NO
    assert "4 million" in line.why


def test_times_are_measured_on_a_click_and_say_on_what(open_page):
    app = open_page("model")
    assert "ms" not in app.dataframe[0].value
    app = press(app, "Measure layer times")
    table = app.dataframe[0].value
    assert (table["ms"] > 0).all()
    assert table["of time"].sum() == pytest.approx(100)
    assert "measured on this machine's CPU" in said(app)
    assert "batch size 1" in said(app)


class Sorted(nn.Module):
    """Sorts its channels by their values, so that no filter has a place of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.out = nn.Linear(8, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.second(self.first(images).sort(1).values)
        return self.out(maps.sort(1).values.mean((2, 3)))


def test_a_network_of_which_nothing_can_be_cut_gets_a_screen_of_its_own(unopened, workspace):
    key = model_store.import_model(workspace, Model(Sorted(), "sorted", (3, 8, 8)))
    app = unopened
    app.session_state["session"] = History(Session(model=key))
    app.run().switch_page("pages/model.py").run()
    assert not app.exception
    assert not app.error
    words = said(app)
    assert "This network cannot be pruned" in words
    assert "What still works" in words
    assert "What to try" in words
    table = app.dataframe[0].value
    assert set(table["can be pruned"]) == {"no"}
    assert all("sort" in why for why in table["why"][:-1]), "the operation is named"
    press(app, "Open the sample network")
    assert app.session_state["session"].current.model == "lenet5_digits"


def test_a_bar_is_full_where_a_layer_is_the_whole_network_and_never_below(open_page):
    found = column_config(open_page("model"))
    kinds = [column.get("type_config", {}) for column in found.values()]
    bars = [kind for kind in kinds if kind.get("type") == "progress"]
    assert len(bars) >= 2
    assert {(bar["min_value"], bar["max_value"]) for bar in bars} == {(0.0, 100.0)}


def test_long_names_and_reasons_get_room_and_short_ones_take_none():
    row = {"layer": "a", "why": ""}
    narrow = _columns([row])
    long = _columns([{"layer": "features.denseblock1.denselayer1", "why": "x" * 50}])
    assert long["layer"]["width"] > 200 > narrow["layer"]["width"]
    assert long["why"]["width"] > 300 > narrow["why"]["width"]


def column_config(app) -> dict:
    return json.loads(app.dataframe[0].proto.columns)
