"""Stripe convolutions against their masked dense twins; counted MACs; files and ONNX."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.cost.stripes import live_stripes, stripe_cost, stripes_of
from sfp_viz.errors import ModelError
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.export.onnx_file import export_onnx
from sfp_viz.nets.io.exported_file import export_torch
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.model_file import read_header
from sfp_viz.nets.model import Model
from sfp_viz.nets.stripes import striped_model
from sfp_viz.nets.stripes.cropped_conv import CroppedConv
from sfp_viz.nets.stripes.stripe_conv import StripeConv
from sfp_viz.nets.stripes.striped_file import load_striped, save_striped
from sfp_viz.nets.stripes.striped_model import (
    cropped_layers,
    dense_twin,
    freeze_stripes,
    live_mask,
    stripe_layers,
    striped,
)
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo.build import build


def thinned(module, seed=0, share=0.4):
    """Sets random stripes of every convolution to 0, in place; each keeps one."""
    rng = np.random.default_rng(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1):
            size = (part.out_channels, *part.kernel_size)
            mask = torch.from_numpy(rng.random(size) < share)
            mask[0, 0, 0] = True
            with torch.no_grad():
                part.weight.masked_fill_(~mask[:, None], 0)
    return module


def resnet(prepare=thinned):
    arguments = {"blocks": 1, "classes": 10}
    return Model(prepare(build("cifar_resnet", arguments)), name="thin", input_shape=(3, 16, 16),
                 architecture="cifar_resnet", arguments=arguments)  # fmt: skip


def bordered(module):
    """As thinned, and random borders of every other convolution are dead for all filters."""
    rng = np.random.default_rng(1)
    convs = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    for at, part in enumerate(convs):
        rows, columns = rng.integers(0, 2, 2), rng.integers(0, 2, 2)
        if part.kernel_size != (1, 1) and at % 2 == 0:
            with torch.no_grad():
                kept = torch.zeros_like(part.weight, dtype=torch.bool)
                kept[:, :, rows[0] : 3 - rows[1], columns[0] : 2] = True
                kept &= torch.from_numpy(rng.random((len(kept), 1, 3, 3)) < 0.6)
                kept[0, :, rows[0], columns[0]] = kept[0, :, 2 - rows[1], 1] = True
                part.weight.masked_fill_(~kept, 0)
        elif part.kernel_size != (1, 1):
            with torch.no_grad():
                part.weight[0, :, 0, 1] = 0
    return module


@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
@pytest.mark.parametrize("padding", [0, 1, (2, 1)])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("bias", [True, False])
def test_a_stripe_convolution_equals_its_masked_dense_twin(stride, padding, dilation, groups, bias):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = nn.Conv2d(6, 12, 3, stride, padding, dilation, groups, bias)
        maps = torch.randn(2, 6, 11, 9)
    thinned(conv, seed=groups)
    thin = StripeConv(conv, live_mask(conv))
    assert thin.weight.numel() < conv.weight.numel()
    assert torch.allclose(thin(maps), conv(maps), atol=1e-5, rtol=1e-5)
    assert torch.equal(thin.dense().weight, conv.weight)


def test_windows_that_are_not_square_and_one_position_alone_work():
    conv = nn.Conv2d(3, 4, (1, 5), padding=(0, 2))
    with torch.no_grad():
        conv.weight[:, :, :, [0, 1, 3, 4]] = 0
    maps = torch.ones(1, 3, 6, 7)
    assert torch.allclose(StripeConv(conv, live_mask(conv))(maps), conv(maps), atol=1e-5)


def test_a_striped_network_equals_its_dense_twin_and_counts_what_it_runs():
    model = resnet()
    network = read_network(model)
    thin, choices = striped(model, kind="stripes")
    assert set(stripe_layers(thin)) == set(stripes_of(network)) == {c.layer for c in choices}
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(thin.module(images), model.module(images), atol=1e-5)
    counted = stripe_cost(network)
    assert counted.macs == count_macs(thin) < cost(network).macs == count_macs(model)
    assert counted.params == count_params(thin)
    assert dense_twin(thin).digest == model.digest


def test_the_faster_way_is_taken_as_measured():
    thin, choices = striped(resnet(), repeats=3)
    for choice in choices:
        assert choice.dense_ms > 0 < choice.stripes_ms
        assert (choice.kind == "stripes") == (choice.stripes_ms < choice.dense_ms)
        assert (choice.layer in stripe_layers(thin)) == (choice.kind == "stripes")
        assert choice.window is choice.smaller_ms is None
        assert 0 < choice.live < choice.stripes


def slow_but(*fast):
    """Times as if only modules of these types were fast."""
    return lambda part, maps, repeats: 1.0 if isinstance(part, fast) else 2.0


@pytest.mark.parametrize(
    ("fast", "kinds"),
    [
        (nn.Conv2d, {"dense"}),
        (StripeConv, {"stripes"}),
        (CroppedConv, {"smaller", "dense"}),
        ((StripeConv, CroppedConv, nn.Conv2d), {"dense"}),
        ((StripeConv, CroppedConv), {"smaller", "stripes"}),
    ],
)
def test_of_three_ways_the_fastest_is_taken_and_of_equals_the_plainer(monkeypatch, fast, kinds):
    types = fast if isinstance(fast, tuple) else (fast,)
    monkeypatch.setattr(striped_model, "_median_ms", slow_but(*types))
    model = resnet(bordered)
    thin, choices = striped(model)
    assert {choice.kind for choice in choices} == kinds
    for choice in choices:
        assert (choice.window is None) == (choice.smaller_ms is None)
        assert (choice.layer in cropped_layers(thin)) == (choice.kind == "smaller")
        assert (choice.layer in stripe_layers(thin)) == (choice.kind == "stripes")
    assert dense_twin(thin).digest == model.digest


def test_windows_become_smaller_where_a_border_is_dead_in_all_filters():
    model = resnet(bordered)
    thin, choices = striped(model, kind="smaller")
    sizes = {choice.layer: choice.window for choice in choices if choice.kind == "smaller"}
    assert set(sizes) == set(cropped_layers(thin)) != {choice.layer for choice in choices}
    for name, size in sizes.items():
        assert tuple(thin.module.get_submodule(name).weight.shape[2:]) == size < (3, 3)
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(thin.module(images), model.module(images), atol=1e-5)
    assert stripe_cost(read_network(model)).macs < count_macs(thin) < count_macs(model)
    assert dense_twin(thin).digest == model.digest


def test_measured_windows_take_times_of_all_three_ways():
    _, choices = striped(resnet(bordered), repeats=2)
    assert any(choice.window for choice in choices)
    for choice in choices:
        times = {"dense": choice.dense_ms, "stripes": choice.stripes_ms}
        times |= {"smaller": choice.smaller_ms} if choice.window else {}
        assert min(times.values()) > 0
        assert choice.kind == min(times, key=times.get)


def test_a_layer_that_is_never_called_as_one_stays_as_it_is():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.out = nn.Conv2d(4, 2, 3)

        def forward(self, maps):
            maps = nn.functional.conv2d(maps, self.conv.weight, self.conv.bias)
            return self.out(maps).mean((2, 3))

    model = Model(bordered(Odd()), name="odd", input_shape=(3, 8, 8))
    thin, choices = striped(model, repeats=1)
    kinds = {choice.layer: (choice.kind, choice.dense_ms) for choice in choices}
    assert kinds["conv"] == ("dense", None)
    assert thin.module(torch.ones(1, 3, 8, 8)).shape == (1, 2)


def test_training_leaves_dead_stripes_dead():
    thin, _ = striped(resnet(), kind="stripes")
    before = stripes_of(read_network(dense_twin(thin)))
    module = thin.module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    module(images).square().mean().backward()
    optimizer.step()
    after = dense_twin(thin.with_module(module))
    assert stripes_of(read_network(after)) == before


def test_training_a_smaller_window_leaves_the_dead_stripes_inside_dead_when_they_are_held():
    thin, _ = striped(resnet(bordered), kind="smaller")
    before = stripes_of(read_network(dense_twin(thin)))
    freeze_stripes(thin.module)
    optimizer = torch.optim.SGD(thin.module.parameters(), lr=0.1, momentum=0.9)
    thin.module(torch.ones(4, 3, 16, 16)).square().mean().backward()
    optimizer.step()
    assert stripes_of(read_network(dense_twin(thin.with_module(thin.module)))) == before


@pytest.mark.parametrize("padding", [{"padding": 1}, {"padding": "same"},
                                     {"padding": 1, "padding_mode": "reflect"}])  # fmt: skip
def test_held_stripes_stay_dead_with_any_padding(padding):
    module = thinned(nn.Sequential(nn.Conv2d(3, 4, 3, **padding), nn.Conv2d(4, 2, 1)))
    before = live_mask(module[0])
    freeze_stripes(module)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        module(torch.ones(2, 3, 6, 6)).square().mean().backward()
        optimizer.step()
    assert not before.all()
    assert torch.equal(live_mask(module[0]), before)


def test_a_file_opens_with_its_stripes_and_as_a_plain_network(tmp_path):
    thin, _ = striped(resnet(), kind="stripes")
    path = tmp_path / "thin.safetensors"
    save_striped(thin, path)
    again = load_striped(path)
    assert stripe_layers(again) == stripe_layers(thin)
    assert again.digest == thin.digest
    assert stripe_layers(load_model(str(path))) == ()
    assert load_model(str(path)).digest == dense_twin(thin).digest
    assert [p.name for p in tmp_path.iterdir()] == ["thin.safetensors"]


def say(path, said):
    """Have the file at ``path`` say something else of its stripes."""
    from safetensors.torch import load_file, save_file

    header = {"sfp_viz": json.dumps(read_header(path)), "sfp_viz_stripes": said}
    save_file(load_file(path), path, metadata=header)


def test_a_file_keeps_which_windows_are_smaller_and_which_layers_skip(tmp_path, monkeypatch):
    monkeypatch.setattr(striped_model, "_median_ms", slow_but(StripeConv, CroppedConv))
    thin, _ = striped(resnet(bordered))
    path = tmp_path / "thin.safetensors"
    save_striped(thin, path)
    again = load_striped(path)
    assert cropped_layers(again) == cropped_layers(thin) != ()
    assert stripe_layers(again) == stripe_layers(thin) != ()
    assert again.digest == thin.digest
    assert load_model(str(path)).digest == dense_twin(thin).digest


def test_a_file_from_before_there_were_smaller_windows_opens(tmp_path):
    thin, _ = striped(resnet(), kind="stripes")
    path = tmp_path / "thin.safetensors"
    save_striped(thin, path)
    say(path, json.dumps({"format": 1, "layers": stripe_layers(thin)}))
    assert load_striped(path).digest == thin.digest


@pytest.mark.parametrize(
    "said",
    [
        "{", "[]", '{"format": 9, "layers": []}', '{"format": 1, "layers": ["linear"]}',
        '{"format": 2, "layers": []}', '{"format": 2, "layers": [], "smaller": ["linear"]}',
        '{"format": 2, "layers": [], "smaller": ["conv1"]}',
    ],
)  # fmt: skip
def test_a_file_that_lies_about_its_stripes_is_refused(tmp_path, said):
    path = tmp_path / "thin.safetensors"
    save_striped(resnet(), path)
    say(path, said)
    with pytest.raises(ModelError, match="stripes"):
        load_striped(path)


@pytest.mark.parametrize("kind", ["stripes", "smaller"])
def test_a_striped_network_goes_to_onnx_and_to_a_program(tmp_path, kind):
    thin, _ = striped(resnet(bordered), kind=kind)
    assert stripe_layers(thin) + cropped_layers(thin)
    assert export_onnx(thin, tmp_path / "thin.onnx") <= 1e-4
    assert export_torch(thin, tmp_path / "thin.pt2") <= 1e-4


def test_stripes_are_counted_per_kept_filter(plain_model):
    network = read_network(plain_model)
    whole = cost(network).macs
    conv2 = network.layer("conv2")
    every = conv2.weight.shape[0] * 9
    assert stripe_cost(network, {"conv2": every}).macs == whole
    one_less = stripe_cost(network, {"conv2": every - 1}).macs
    assert whole - one_less == 20 * conv2.output_size[0] * conv2.output_size[1]
    assert live_stripes(conv2.weight).all()
