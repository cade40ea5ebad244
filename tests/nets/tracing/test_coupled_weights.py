"""What goes along with filters, against Torch-Pruning's own group magnitude and by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.core.redundancy.importance import importance
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.samples import sample_names, sample_network
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.coupled_weights import input_slices
from sfp_viz.nets.tracing.read_network import read_network
from tests.tiny import NETS, randomize


def tiny(name):
    torch.manual_seed(0)
    return Model(randomize(NETS[name]()), name=name, input_shape=(3, 8, 8))


def of_torch_pruning(model, layer, size):
    """GroupMagnitudeImportance (p = 2), worked out by Torch-Pruning on its own graph."""
    import torch_pruning

    module = copy.deepcopy(model.module).eval()
    image = torch.zeros(1, *model.input_shape)
    graph = torch_pruning.DependencyGraph().build_dependency(module, image)
    group = graph.get_pruning_group(
        module.get_submodule(layer), torch_pruning.prune_conv_out_channels, list(range(size))
    )
    return torch_pruning.importance.GroupMagnitudeImportance(p=2)(group).numpy()


def ours(network, name):
    found = importance(network, network.group(name), "group_magnitude")
    return found / found.mean()


@pytest.mark.parametrize(
    ("name", "layers"), [("plain", ["conv1", "conv2"]), ("residual", ["inner.0"])]
)
def test_group_magnitude_is_that_of_torch_pruning(name, layers):
    model = tiny(name)
    network = read_network(model)
    for layer in layers:
        theirs = of_torch_pruning(model, layer, network.group(layer).size)
        np.testing.assert_allclose(ours(network, layer), theirs, rtol=1e-5)


def test_group_magnitude_is_that_of_torch_pruning_inside_the_blocks_of_resnet20():
    model = load_model("resnet20_cifar10")
    network = read_network(model)
    inner = [group for group in network.free if len(group.layers) == 1]
    assert len(inner) == 9
    for group in inner:
        theirs = of_torch_pruning(model, group.name, group.size)
        np.testing.assert_allclose(ours(network, group.name), theirs, rtol=1e-5)
        assert np.argsort(ours(network, group.name)).tolist() == np.argsort(theirs).tolist()


def test_a_flattened_reader_counts_all_columns_of_a_unit():
    model = tiny("plain")
    columns = model.module.fc.weight.detach().double().numpy()
    along = read_network(Model(model.module, name="p", input_shape=(3, 8, 8))).along["conv3"]
    norm = model.module.bn3.weight.detach().double().numpy()
    expected = np.square(columns).reshape(5, 8, -1).sum((0, 2)) + np.square(norm)
    np.testing.assert_allclose(along.squares, expected)
    assert along.parts == 2


def test_depthwise_filters_norms_and_the_gate_go_along():
    module = tiny("depthwise").module
    along = read_network(tiny("depthwise")).along
    group = next(name for name in along if name.startswith("stem"))
    gate = module.squeeze.weight.detach().double()
    parts = [
        module.stem[1].weight.detach().double().square(),
        module.depth[0].weight.detach().double().square().sum((1, 2, 3)),
        module.depth[1].weight.detach().double().square(),
        gate.square().sum((0, 2, 3)),
        module.expand.weight.detach().double().square().sum((1, 2, 3)),
        module.point[0].weight.detach().double().square().sum((0, 2, 3)),
    ]
    np.testing.assert_allclose(along[group].squares, sum(parts).numpy())
    assert along[group].parts == 6


def test_a_norm_without_gamma_counts_nothing():
    module = randomize(NETS["residual"]())
    module.inner[1] = nn.BatchNorm2d(10, affine=False)
    along = read_network(Model(module, name="bare", input_shape=(3, 8, 8))).along["inner.0"]
    expected = module.outer[0].weight.detach().double().square().sum((0, 2, 3))
    np.testing.assert_allclose(along.squares, expected)
    assert along.parts == 1


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_the_slice_of_a_channel_is_all_that_the_output_takes_from_it(kind, groups):
    torch.manual_seed(0)
    layer = kind(8, 12, 3, groups=groups, bias=False, padding=1)
    slices = input_slices(layer)
    for channel in range(8):
        image = torch.zeros(1, 8, 5, 5)
        image[0, channel, 2, 2] = 1  # an impulse: the output holds the slice, each weight once
        found = layer(image).square().sum()
        assert slices[channel].square().sum() == pytest.approx(float(found.detach()), rel=1e-5)


def test_a_scale_of_outputs_multiplies_their_weights():
    for layer in (nn.Conv2d(4, 6, 3, groups=2), nn.ConvTranspose2d(4, 6, 3, groups=2)):
        scale = torch.arange(1.0, 7).double()
        axis = (6, 1, 1, 1) if isinstance(layer, nn.Conv2d) else (2, 1, 3, 1, 1)
        scaled = copy.deepcopy(layer).double()
        with torch.no_grad():
            weight = scaled.weight
            whole = weight if len(axis) == 4 else weight.unflatten(0, (2, 2))
            blocks = scale.view(axis) if len(axis) == 4 else scale.view(2, 1, 3, 1, 1)
            weight.copy_((whole * blocks).reshape(weight.shape))
        assert torch.allclose(input_slices(layer, scale), input_slices(scaled))


def test_it_comes_back_from_a_reading_and_old_readings_open_without():
    import json

    model = tiny("residual")
    network = read_network(model)
    weights = {name: value.numpy() for name, value in model.module.state_dict().items()}
    again = network_from_json(network_to_json(network), weights)
    assert again.along.keys() == network.along.keys()
    for name, along in network.along.items():
        np.testing.assert_allclose(again.along[name].squares, along.squares, rtol=1e-6)
        assert again.along[name].parts == along.parts
    old = json.loads(network_to_json(network))
    del old["along"]
    assert network_from_json(json.dumps(old), weights).along == {}


@pytest.mark.parametrize("name", sample_names())
def test_every_shipped_reading_says_what_goes_along(name):
    network = sample_network(name)
    assert set(network.along) == {group.name for group in network.free}
