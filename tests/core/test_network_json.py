import json
from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.network import Cause
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


SENTENCES = {
    "": None,
    "Tied by a residual add with layer2.0.shortcut.0, layer2.1.conv2 and 1 more.": Cause(
        "residual_add"
    ),
    "Tied by a shared channels with b.": Cause("shared_channels"),
    "Its filters are the outputs of the network, so their number is fixed.": Cause(
        "network_output"
    ),
    "GroupNorm 'n.1' normalizes its channels together, so cutting one would change all the "
    "others.": Cause("joint_norm", operation="GroupNorm", place="n.1"),
    "It cannot be traced: the 2 conv_groups of the transposed convolution 'next' are not "
    "followed.": Cause("transposed_conv_groups", place="next", conv_groups=2),
    "The parameters of 'a' are also those of another layer, so cutting one would cut both.": Cause(
        "shared_parameters", place="a"
    ),
    "It is tied to LSTM 'l', which is not cut here.": Cause(
        "coupled_module", operation="LSTM", place="l"
    ),
    "It cannot be traced: its channels are padded with zero channels (padding at 'layer2.0'), "
    "which shifts those that would have to go together, so it stays whole.": Cause(
        "rearranged", operation="pad", place="layer2.0"
    ),
    "It cannot be traced: slicing at the top of the network moves or mixes its channels on their "
    "way, so it stays whole.": Cause("rearranged", operation="slice"),
    "It cannot be traced: at 'fc' its channels do not line up with whole filters.": Cause(
        "misaligned", place="fc"
    ),
    "It has a single unit, which has to stay.": Cause("single_unit"),
    "Its 40 channels cannot go one by one: they lie in the 20 conv_groups of 'next', which stay "
    "alike.": Cause("conv_groups", place="next", channels=40, conv_groups=20),
    "It starts with the layer that reads the image, which has only 16 filters.": Cause(
        "narrow_input", channels=16
    ),
    "This network can be explored but not cut; it cannot be traced: a matrix product at "
    "'features.1.0.attn' moves or mixes channels.": Cause(
        "untraceable_network", operation="matmul", place="features.1.0.attn"
    ),
    "This network can be explored but not cut; it cannot be traced: KeyError: 'x'.": Cause(
        "untraceable_network", text="KeyError: 'x'"
    ),
    "Something else.": Cause("text", text="Something else."),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_reading_of_version_0_1_opens_with_causes_as_records(plain, sentence):
    value = json.loads(network_to_json(plain))
    for entry in value["groups"]:
        del entry["cause"]
        entry["why"] = sentence
    network = network_from_json(json.dumps({**value, "notes": []}), state(plain))
    assert all(group.cause == SENTENCES[sentence] for group in network.groups)


@pytest.mark.parametrize("cause", [cause for cause in SENTENCES.values() if cause])
def test_a_cause_comes_back_as_it_was(plain, cause):
    groups = tuple(replace(group, cause=cause) for group in plain.groups)
    text = network_to_json(replace(plain, groups=groups))
    assert network_from_json(text, state(plain)).groups == groups


@pytest.mark.parametrize("value", [3, "x", [], {}, {"kind": "x"}, {"kind": []}])
def test_a_cause_that_is_none_is_refused(plain, value):
    entries = json.loads(network_to_json(plain))
    entries["groups"][0]["cause"] = value
    with pytest.raises(ModelError):
        network_from_json(json.dumps(entries), state(plain))


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
