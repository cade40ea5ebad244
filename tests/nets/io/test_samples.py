import json
import subprocess
import sys

import numpy as np
import pytest

from sfp_viz.errors import ModelError
from sfp_viz.nets.io import samples
from sfp_viz.nets.io.samples import (
    sample_card,
    sample_maps,
    sample_names,
    sample_network,
    sample_path,
)

SHIPPED = sample_names()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "FOLDER", tmp_path)
    return tmp_path


def written(shelf, name="tiny"):
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.tracing.read_network import read_network
    from sfp_viz.nets.zoo.build import build

    model = Model(build("lenet5", {}), name=name, input_shape=(1, 8, 8), architecture="lenet5")
    network = read_network(model)
    maps = {"coordinates": {"conv1": [[0.0, 1.0]] * 20}, "clusters": {"conv1": [0] * 20}}
    samples.write_sample(model, network, {"title": "Tiny"}, maps, shelf)
    return model, network


def test_the_default_sample_is_shipped_and_comes_first():
    assert SHIPPED[0] == samples.FIRST


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sample_is_small_and_says_how_it_was_made(name):
    assert sample_path(name).stat().st_size < 4_000_000
    card = sample_card(name)
    assert card["name"] == name
    assert 0.5 < card["accuracy"] <= 1
    assert card["interval"][0] < card["accuracy"] < card["interval"][1]
    for entry in ("title", "trained_on", "settings", "test_images", "test_data", "made_by"):
        assert card[entry], entry
    assert card["licence"] == "Apache-2.0"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sample_opens_as_a_reading_and_as_a_network_of_the_same_weights(name):
    from sfp_viz.nets.io.load import load_model

    network, model, maps = sample_network(name), load_model(name), sample_maps(name)
    assert network.digest == model.digest == sample_card(name)["digest"]
    for layer in network.layers:
        weight = model.module.get_submodule(layer.name).weight.detach().numpy()
        shape = (*weight.shape, 1, 1)[:4]  # neurons are filters of one pixel
        np.testing.assert_array_equal(layer.weight, weight.reshape(shape))
    for group, coordinates in maps["coordinates"].items():
        assert np.shape(coordinates) == (network.group(group).size, 2)
    for group, labels in maps["clusters"].items():
        assert len(labels) == network.group(group).size


def test_a_sample_that_was_written_is_read_back(shelf):
    model, network = written(shelf)
    assert sample_names() == ("tiny",)
    again = sample_network("tiny")
    assert again.digest == model.digest
    assert again.groups == network.groups
    np.testing.assert_array_equal(again.layers[0].weight, network.layers[0].weight)
    card = sample_card("tiny")
    assert (card["title"], card["architecture"], card["input_shape"]) == (
        "Tiny",
        "lenet5",
        [1, 8, 8],
    )
    assert sample_maps("tiny")["dispersion"] == {}
    assert len(sample_maps("tiny")["coordinates"]["conv1"]) == 20
    assert len(list(shelf.iterdir())) == 3


def test_a_reading_of_other_weights_is_not_written(shelf):
    from dataclasses import replace

    model, network = written(shelf)
    with pytest.raises(ModelError, match="not that of the network"):
        samples.write_sample(model, replace(network, digest="0" * 16), {}, {}, shelf)


def test_a_sample_without_maps_still_opens(shelf):
    written(shelf)
    (shelf / "tiny.maps.json").unlink()
    assert sample_maps("tiny") == {
        "coordinates": {},
        "clusters": {},
        "dispersion": {},
        "recipe": {},
    }


def test_an_unknown_sample_gives_one_sentence(shelf):
    for name in ("nothing", "../tiny", ""):
        with pytest.raises(ModelError, match="There is no sample"):
            sample_path(name)


def test_a_damaged_sample_gives_one_sentence(shelf):
    written(shelf)
    card = (shelf / "tiny.json").read_text()
    for broken in ("{", "[]", json.dumps({**json.loads(card), "reading": None})):
        (shelf / "tiny.json").write_text(broken)
        with pytest.raises(ModelError):
            sample_network("tiny")
    (shelf / "tiny.json").write_text(card)
    (shelf / "tiny.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        sample_network("tiny")


def test_opening_a_sample_for_the_first_picture_loads_no_torch():
    code = (
        "import sys; from sfp_viz.nets.io import samples as s; n = s.FIRST; s.sample_network(n);"
        "s.sample_maps(n); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
