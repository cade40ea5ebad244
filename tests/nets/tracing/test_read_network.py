"""What is read from a network: layers, groups, what ties them, and why some stay whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.network import Cause
from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import ModelError
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo import architectures


def model_of(module: nn.Module, shape=(3, 8, 8)) -> Model:
    return Model(module.eval(), name="net", input_shape=shape)


def net(*parts: nn.Module, head: int = 12) -> Model:
    return model_of(
        nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, 5))
    )


def test_layers_come_in_order_of_execution_with_their_output_sizes(concat_model):
    network = read_network(concat_model)
    names = [layer.name for layer in network.layers]
    assert names == ["stem.0", "left.0", "right.0", "join", "twice"]
    assert {layer.output_size for layer in network.layers} == {(8, 8)}
    assert network.layer("join").weight.shape == (12, 22, 3, 3)
    assert (network.digest, network.classes) == (concat_model.digest, 5)


def test_the_scale_of_a_layer_is_that_of_the_batchnorm_behind_it(plain_model):
    network, norm = read_network(plain_model), plain_model.module.bn3
    expected = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().numpy()
    assert np.allclose(network.layer("conv3").scale, expected)
    assert np.array_equal(network.layer("conv3").bn_scale, norm.weight.detach().numpy())
    assert network.layer("conv1").scale is None


def test_a_residual_add_ties_layers_and_the_reading_says_so(residual_model):
    network = read_network(residual_model)
    assert network.group("stem.0").layers == ("stem.0", "outer.0")
    assert network.group("stem.0").cause == Cause("residual_add")
    assert network.group("inner.0").cause is None
    assert not any(group.protected for group in network.groups)


def test_depthwise_layers_and_gates_follow_and_grouped_layers_repeat(depthwise_model):
    network = read_network(depthwise_model)
    assert network.group("stem.0").followers == ("depth.0", "expand")
    assert network.group("squeeze").layers == ("squeeze",)
    for name, size in (("point.0", 8), ("paired.0", 6)):
        group = network.group(name)
        assert (group.size, group.repeats) == (size, 2)
    assert network.group_of("expand").name == "stem.0"


def test_every_layer_is_in_exactly_one_group(tiny_model):
    network = read_network(tiny_model)
    members = [n for group in network.groups for n in (*group.layers, *group.followers)]
    assert sorted(members) == sorted(layer.name for layer in network.layers)


def test_a_narrow_stem_is_protected_and_a_wide_one_is_free():
    narrow = read_network(net(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 12, 3)))
    assert narrow.group("0").protected
    assert narrow.group("0").cause == Cause("narrow_input", channels=16)
    wide = read_network(net(nn.Conv2d(3, 17, 3), nn.ReLU(), nn.Conv2d(17, 12, 3)))
    assert not wide.group("0").protected


def test_a_stem_that_was_cut_narrow_stays_free(plain_model):
    from sfp_viz.core.plan.edits import Edits
    from sfp_viz.core.plan.recipe import Recipe
    from sfp_viz.core.selection.planner import make_plan_for
    from sfp_viz.nets.pruning.prune import prune

    small = plain_model
    for left in (10, 5):
        network = read_network(small)
        size = network.group("conv1").size
        edits = Edits(network.digest, ratios=(("conv1", 1 - left / size),))
        small = prune(
            small, make_plan_for(Problem(network, Request.of(Recipe(0.0), edits))), network=network
        )
    assert read_network(small).layer("conv1").filters == 5
    assert not read_network(small).group("conv1").protected


@pytest.mark.parametrize("norm", [nn.GroupNorm(1, 20), nn.LayerNorm([20, 8, 8])])
def test_channels_that_are_normalized_together_are_protected(norm):
    network = read_network(net(nn.Conv2d(3, 20, 3, padding=1), norm, nn.Conv2d(20, 12, 1)))
    assert network.group("0").protected
    cause = Cause("joint_norm", operation=type(norm).__name__, place="1")
    assert network.group("0").cause == cause
    assert not network.group("2").protected


def test_filters_that_are_the_outputs_are_protected():
    parts = [nn.Conv2d(3, 20, 3), nn.ReLU(), nn.Conv2d(20, 5, 1)]
    network = read_network(model_of(nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten())))
    assert network.group("2").cause == Cause("network_output")
    assert not network.group("0").protected


def test_option_a_shortcuts_protect_what_they_pad_and_leave_the_rest_free():
    module = architectures.build("cifar_resnet", {"blocks": 1, "shortcut": "pad"})
    network = read_network(model_of(module, (3, 16, 16)))
    assert [group.name for group in network.free] == [f"layer{i}.0.conv1" for i in (1, 2, 3)]
    cause = network.group("layer2.0.conv2").cause
    assert (cause.kind, cause.operation) == ("rearranged", "pad")


def test_attention_protects_what_it_reads_and_leaves_the_rest_free():
    network = read_network(model_of(architectures.build("torchvision:swin_t", {}), (3, 32, 32)))
    assert {group.name for group in network.free} == {
        layer.name for layer in network.layers if layer.name.endswith("mlp.0")
    }
    causes = {group.cause for group in network.groups if group.protected}
    assert {cause.kind for cause in causes} <= {"joint_norm", "rearranged", "misaligned"}
    assert all(cause.place and cause.operation for cause in causes)


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(ModelError, match="no convolution"):
        read_network(model_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 5))))


def test_an_input_of_the_wrong_shape_is_named(plain_model):
    with pytest.raises(ModelError, match="Give the input shape"):
        read_network(Model(plain_model.module, name="net", input_shape=(3, 9, 30)))


def test_reading_leaves_the_network_as_it_was(tiny_model):
    was, training = tiny_model.digest, tiny_model.module.training
    random_state = torch.get_rng_state()
    read_network(tiny_model)
    assert tiny_model.with_module(tiny_model.module).digest == was
    assert tiny_model.module.training == training
    assert torch.equal(torch.get_rng_state(), random_state)


def test_frozen_parameters_do_not_hide_the_groups(residual_model):
    frozen = Model(residual_model.module, name="frozen", input_shape=(3, 8, 8))
    with_gradients = read_network(frozen).groups
    try:
        frozen.module.requires_grad_(False)
        assert read_network(frozen).groups == with_gradients
    finally:
        frozen.module.requires_grad_(True)


def test_a_reading_with_positionwise_layers_survives_json():
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 18, 3, padding=1)
            self.wide, self.back = nn.Linear(18, 30), nn.Linear(30, 7)
            self.head = nn.Linear(7, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.conv(images).permute(0, 2, 3, 1)
            return self.head(self.back(self.wide(maps).relu()).mean((1, 2)))

    model = model_of(Mixer())
    network = read_network(model)
    assert [layer.name for layer in network.layers] == ["conv", "wide", "back"]
    assert network.layer("wide").weight.shape == (30, 18, 1, 1)
    assert {group.name for group in network.free} == {"conv", "wide", "back"}
    arrays = {name: tensor.numpy() for name, tensor in model.module.state_dict().items()}
    again = network_from_json(network_to_json(network), arrays)
    assert (again.groups, again.terms) == (network.groups, network.terms)
    assert np.array_equal(again.layer("wide").weight, network.layer("wide").weight)


def test_the_neurons_of_a_hidden_linear_layer_can_go_and_those_of_the_last_cannot():
    model = net(nn.Conv2d(3, 8, 3), nn.ReLU(), head=8)
    whole = nn.Sequential(*model.module[:-1], nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5))
    network = read_network(model_of(whole))
    assert [(g.name, g.size, g.protected) for g in network.groups] == [
        ("0", 8, True),
        ("4", 6, False),
    ]
    assert network.layer("4").weight.shape == (6, 8, 1, 1)
    assert network.layer("4").output_size == (1, 1)
    assert [layer.neurons for layer in network.layers] == [False, True]


def test_a_hidden_linear_layer_of_too_many_weights_stays_as_it_is(monkeypatch):
    monkeypatch.setattr("sfp_viz.nets.tracing.execution.MOST_WEIGHTS", 40)
    model = net(nn.Conv2d(3, 8, 3), nn.ReLU(), head=8)
    whole = nn.Sequential(*model.module[:-1], nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5))
    assert [layer.name for layer in read_network(model_of(whole)).layers] == ["0"]
