import json

import numpy as np
import pytest

from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.errors import ModelError


def state(network):
    return {f"{layer.name}.weight": layer.weight for layer in network.layers}


@pytest.mark.parametrize("name", ["plain", "residual", "depthwise", "concat", "grouped"])
def test_a_reading_comes_back_as_it_was(name, request):
    network = request.getfixturevalue(name)
    again = network_from_json(network_to_json(network), state(network))
    assert again.groups == network.groups
    assert again.terms == network.terms
    assert (again.name, again.digest, again.input_shape) == (
        network.name,
        network.digest,
        network.input_shape,
    )
    for old, new in zip(network.layers, again.layers, strict=True):
        assert (old.name, old.stride, old.conv_groups, old.output_size) == (
            new.name,
            new.stride,
            new.conv_groups,
            new.output_size,
        )
        np.testing.assert_array_equal(old.weight, new.weight)
        np.testing.assert_array_equal(old.scale, new.scale)
        np.testing.assert_array_equal(old.bn_scale, new.bn_scale)
        assert not new.weight.flags.writeable


def test_the_text_is_the_same_every_time(plain):
    text = network_to_json(plain)
    assert network_to_json(network_from_json(text, state(plain))) == text


def test_a_layer_without_its_weights_is_named(plain):
    weights = state(plain)
    del weights["conv2.weight"]
    with pytest.raises(ModelError, match="'conv2' are missing"):
        network_from_json(network_to_json(plain), weights)


def test_weights_of_another_shape_are_refused(plain):
    weights = {**state(plain), "conv2.weight": np.zeros((2, 3, 3, 3), np.float32)}
    with pytest.raises(ModelError, match="'conv2'"):
        network_from_json(network_to_json(plain), weights)


def test_the_given_arrays_stay_writable(plain):
    mine = {name: array.copy() for name, array in state(plain).items()}
    network_from_json(network_to_json(plain), mine)
    assert all(array.flags.writeable for array in mine.values())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '{"format": 2}', '{"format": 1}', "[" * 100_000]
)
def test_hostile_text_gives_one_sentence(text):
    with pytest.raises(ModelError):
        network_from_json(text, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layers", 3),
        ("groups", [{"name": "a"}]),
        ("terms", [[]]),
        ("input_shape", [3]),
        ("classes", "many"),
        ("classes", float("inf")),
        ("notes", None),
    ],
)
def test_a_wrong_entry_gives_one_sentence(plain, key, value):
    entry = {**json.loads(network_to_json(plain)), key: value}
    with pytest.raises(ModelError):
        network_from_json(json.dumps(entry), state(plain))


def test_a_term_or_group_that_names_nothing_is_refused(plain):
    entry = json.loads(network_to_json(plain))
    entry["terms"][0]["outs"] = [["nowhere", 1]]
    with pytest.raises(ModelError, match="nowhere"):
        network_from_json(json.dumps(entry), state(plain))
    entry = json.loads(network_to_json(plain))
    entry["groups"][0]["layers"] = ["nowhere"]
    with pytest.raises(ModelError, match="conv1"):
        network_from_json(json.dumps(entry), state(plain))
