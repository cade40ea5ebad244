"""Networks that cast, draw, branch, train differently or raise: read as they run, or refused in a
sentence with the true reason."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

import sfp_viz as sfp
from sfp_viz.core.network import Cause
from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.errors import DataError, ModelError, RunError
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import masked, prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.text.groups import protected_groups


class Net(nn.Module):
    """Two convolutions and a linear layer; ``change`` is applied to the maps between them, ``end``
    to the answers."""

    def __init__(self, change=lambda net, x: x, end=lambda y: y, **parts) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 24, 3, padding=1), nn.Conv2d(24, 18, 3, padding=1)
        self.out = nn.Linear(18, 10)
        self.change, self.end = change, end
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        x = self.change(self, F.relu(self.a(x)))
        return self.end(self.out(F.relu(self.b(x)).mean((2, 3))))


def reading(module: nn.Module, shape=(3, 8, 8)):
    return read_network(Model(module, name="net", input_shape=shape))


def free(module: nn.Module, shape=(3, 8, 8)) -> list[str]:
    return [group.name for group in reading(module, shape).free]


def grid(net, x):
    row = torch.linspace(-1, 1, x.shape[-1]).expand(x.shape[0], 1, *x.shape[-2:])
    return torch.cat([x, row], 1)[:, :24]


def filled(net, x):
    out = torch.zeros(x.shape)
    out[:] = x
    return out


CHANGES = {
    "sigmoid": lambda net, x: torch.sigmoid(x),
    "softplus": lambda net, x: F.softplus(x),
    "hardsigmoid": lambda net, x: F.hardsigmoid(x),
    "exp": lambda net, x: (-x).exp(),
    "noise": lambda net, x: x + torch.randn_like(x),
    "own noise": lambda net, x: x + torch.empty_like(x).normal_() * 0.1,
    "numpy noise": lambda net, x: x * float(np.random.rand() + 1),
    "dropout in evaluation": lambda net, x: F.dropout(x, 0.5, training=True),
    "cast down": lambda net, x: x.half().float(),
    "cast by type": lambda net, x: x.to(torch.float32),
    "constant": lambda net, x: x * torch.ones(8),
    "made on the CPU": lambda net, x: x * torch.ones(1, 1, 8, 8, device="cpu"),
    "filled": filled,
    "branch on a value": lambda net, x: x / 255 if x.max() > 1 else x,
    "loop on a value": lambda net, x: x / float(x.abs().max()),
    "kept beside buffers": lambda net, x: x * net.kept,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_forward_pass_of_another_kind_leaves_the_groups_free(change):
    module = Net(CHANGES[change])
    module.kept = torch.full((1, 1, 8, 8), 0.5)
    assert free(module) == ["a", "b"]


ENDS = {
    "classes": lambda y: y.argmax(1),
    "mask": lambda y: y > 0,
    "number": lambda y: (y * 100).round().int(),
    "dict": lambda y: {"logits": y, "best": y.argmax(1)},
    "noise": lambda y: y + torch.randn_like(y),
    "not a number": lambda y: torch.where(y > 0, y, torch.nan),
    "detached": lambda y: y.detach(),
    "list": lambda y: y.tolist(),
}


@pytest.mark.parametrize("end", ENDS)
def test_outputs_of_another_kind_leave_the_groups_free(end):
    assert free(Net(end=ENDS[end])) == ["a", "b"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_is_read_and_pruned_in_it(dtype):
    model = Model(Net().to(dtype), name="net", input_shape=(3, 8, 8))
    network = read_network(model)
    assert len(network.free) == 2
    recipe = uniform_l1(0.3)
    small = prune(model, make_plan(network, analyze(network, recipe), recipe))
    assert {p.dtype for p in small.module.parameters()} == {dtype}
    assert small.module.a.out_channels < 24


def test_a_compiled_network_is_read_like_the_plain_one():
    plain = Net()
    assert free(torch.compile(plain)) == ["a", "b"]
    inner = Net()
    inner.b = torch.compile(inner.b)
    assert len(free(inner)) == 2


def test_what_is_masked_behind_a_sigmoid_is_what_is_pruned():
    model = Model(Net(CHANGES["sigmoid"]).eval(), name="net", input_shape=(3, 8, 8))
    network, recipe = read_network(model), uniform_l1(0.4)
    plan = make_plan(network, analyze(network, recipe), recipe)
    image = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        small, whole = prune(model, plan).module(image), masked(model, plan).module(image)
    torch.testing.assert_close(small, whole)


class Aux(Net):
    """A head that reads the first convolution in training alone; ``odd`` reads it by halves."""

    def __init__(self, *, odd: bool = False) -> None:
        super().__init__()
        self.odd, self.aux = odd, nn.Conv2d(12 if odd else 24, 10, 1)

    def forward(self, x):
        x = F.relu(self.a(x))
        y = self.out(F.relu(self.b(x)).mean((2, 3)))
        if not self.training:
            return y
        if self.odd:
            x = x[:, :12] * 0.5 + x.flip(1)[:, :12]
        return {"out": y, "aux": self.aux(x).mean((2, 3))}


def test_a_head_that_runs_in_training_alone_is_cut_along():
    model = Model(Aux(), name="net", input_shape=(3, 8, 8))
    network, recipe = read_network(model), uniform_l1(0.3)
    small = prune(model, make_plan(network, analyze(network, recipe), recipe)).module
    assert small.aux.in_channels == small.a.out_channels < 24
    outputs = small.train()(torch.zeros(2, 3, 8, 8))
    assert outputs["aux"].shape == (2, 10)


def test_what_a_training_head_reads_otherwise_is_left_whole():
    network = reading(Aux(odd=True))
    assert [group.name for group in network.free] == ["b"]


class TrainedView(Net):
    def forward(self, x):
        x = F.relu(self.a(x))
        if self.training:
            x = x.reshape(-1, 24, 8, 8) * self.scale
        return self.out(F.relu(self.b(x)).mean((2, 3)))


def test_a_fixed_size_in_training_alone_is_the_reason():
    network = reading(TrainedView(scale=nn.Parameter(torch.ones(1), requires_grad=False)))
    cause = network.group("a").cause
    assert cause is not None
    assert cause.kind == "training_alone"
    assert "runs in training alone" in next(iter(protected_groups(network)))


def test_a_fixed_view_and_computed_weights_are_their_own_reasons():
    class View(Net):
        def forward(self, x):
            x = F.max_pool2d(F.relu(self.b(F.relu(self.a(x)))), 8)
            return self.out(x.view(-1, 18))

    cause = reading(View()).group("b").cause
    assert cause is not None
    assert cause.kind == "trial_raises"
    assert "[-1, 18]" in cause.text
    for norm, kind in ((weight_norm, "WeightNorm"), (spectral_norm, "SpectralNorm")):
        module = Net()
        norm(module.a)
        network = reading(module)
        assert network.group("a").cause == Cause("computed_weight", operation=kind, place="a")
        assert [group.name for group in network.free] == ["b"]
        assert f"computed from other parameters ({kind})" in next(iter(protected_groups(network)))


def test_statistics_of_instances_and_convolutions_of_rows_are_cut():
    module = Net(lambda net, x: net.norm(x), norm=nn.InstanceNorm2d(24, track_running_stats=True))
    assert free(module) == ["a", "b"]

    class Rows(Net):
        def forward(self, x):
            return self.out(self.c(F.relu(self.a(x)).mean(2)).mean(2))

    assert "a" in free(Rows(c=nn.Conv1d(24, 18, 3)))


def test_convolutions_of_rows_alone_are_named():
    rows = nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 8, 3), nn.Conv1d(8, 4, 3))
    with pytest.raises(ModelError, match="are Conv1d; only those of"):
        reading(rows)


def test_a_linear_layer_is_hidden_where_it_does_not_give_the_answers():
    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.e, self.lin = nn.Conv2d(1, 24, 4, 4), nn.Linear(24 * 4, 128)
            self.t, self.o = nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.Conv2d(16, 1, 3, padding=1)

        def forward(self, x):
            x = F.relu(self.lin(F.relu(self.e(x)).flatten(1))).view(-1, 32, 2, 2)
            return self.o(F.relu(self.t(x)))

    names = [layer.name for layer in reading(Generator(), (1, 8, 8)).layers]
    assert names == ["e", "lin", "t", "o"]

    class Heads(Net):
        def forward(self, x):
            x = F.relu(self.b(F.relu(self.a(x)))).mean((2, 3))
            return self.first(x), self.out(F.relu(self.hidden(x)))

    heads = Heads(first=nn.Linear(18, 4), hidden=nn.Linear(18, 18))
    assert [layer.name for layer in reading(heads).layers] == ["a", "b", "hidden"]


def test_the_number_of_classes_is_that_of_the_output():
    class Convolutional(Net):
        def forward(self, x):
            return self.last(F.relu(self.b(F.relu(self.a(x))))).mean((2, 3))

    classes = {
        7: Convolutional(last=nn.Conv2d(18, 7, 1)),
        10: Net(),
        0: Net(end=lambda y: {"logits": y}),
    }
    for count, module in classes.items():
        assert Model(module, name="net", input_shape=(3, 8, 8)).classes == count


WRONG = {
    "no module": (lambda: "resnet18", (3, 8, 8), "takes a torch.nn.Module, not str"),
    "a program": (lambda: torch.jit.script(nn.Conv2d(3, 8, 3)), (3, 8, 8), "TorchScript"),
    "no shape yet": (lambda: nn.LazyConv2d(8, 3), (3, 8, 8), "has no shape yet"),
    "a batch": (Net, (1, 3, 8, 8), "Leave the batch out"),
    "two sizes": (Net, (8, 8), "channels, height, width"),
    "a size of 0": (Net, (3, 0, 8), "above 0"),
    "fractions": (Net, (3.0, 8.0, 8.5), "whole numbers"),
    "one number": (Net, 224, "whole numbers"),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("wrong", WRONG)
def test_what_makes_no_model_is_refused_in_a_sentence(wrong):
    build, shape, message = WRONG[wrong]
    with pytest.raises(ModelError, match=message):
        Model(build(), name="net", input_shape=shape)


def test_a_mean_of_another_number_of_channels_is_refused():
    with pytest.raises(ModelError, match="3 channels, so 'mean' needs 3"):
        Model(Net(), name="net", input_shape=(3, 8, 8), mean=(0.5,), std=(0.5,))


def broken(error: Exception):
    def change(net, x):
        raise error

    return change


class Two(Net):
    def forward(self, x, y):
        return super().forward(x) + y


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Net(broken(KeyError("scale"))), "KeyError: 'scale'"),
        (Net(broken(NotImplementedError())), "NotImplementedError"),
        (Net(broken(RuntimeError("first line\nsecond"))), "first line. Give"),
        (Two(), "missing 1 required positional argument: 'y'"),
        (Net(lock=threading.Lock()), "cannot be copied: cannot pickle"),
    ],
)
def test_what_a_network_raises_is_told_in_one_sentence(module, message):
    with pytest.raises(ModelError, match=message):
        reading(module)


@pytest.mark.filterwarnings("ignore")
def test_networks_that_hold_odd_tensors_are_read():
    module = Net(strides=nn.Parameter(torch.tensor([8, 16]), requires_grad=False))
    assert free(module) == ["a", "b"]
    old = Net()
    torch.nn.utils.weight_norm(old.a)
    assert free(old) == ["b"]
    quantized = torch.ao.quantization.quantize_dynamic(Net(), {nn.Linear})
    assert "a" in free(quantized)


def test_reading_draws_no_random_numbers_of_the_caller():
    module = Net(CHANGES["noise"])
    state, numpy_state = torch.get_rng_state(), copy.deepcopy(np.random.get_state())
    reading(module)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state[1])


def test_a_bare_module_is_refused_with_what_to_do():
    for call in (read_network, lambda module: masked(module, None)):
        with pytest.raises(ModelError, match=r"takes a Model, not Net\. Wrap a module"):
            call(Net())


def calls(module, folder):
    """What takes a Model, called with a module."""
    return {
        "latency": lambda: sfp.measure_latency(module),
        "accuracy": lambda: sfp.measure_accuracy(module, sfp.load_data("digits", "test")),
        "observe": lambda: sfp.observe(module, sfp.load_data("digits", limit=8)),
        "save": lambda: sfp.save_model(module, folder / "a.safetensors"),
        "onnx": lambda: sfp.export_onnx(module, folder / "a.onnx"),
        "torch": lambda: sfp.export_torch(module, folder / "a.pt2"),
        "teacher": lambda: next(
            sfp.finetune(sfp.load_model("lenet5_digits"), teacher=module, data="digits")
        ),
    }


@pytest.mark.parametrize("name", calls(None, Path()))
def test_a_module_in_the_place_of_a_model_is_refused_in_a_sentence(name, tmp_path):
    with pytest.raises(ModelError, match="This takes a Model, not Linear"):
        calls(nn.Linear(2, 2), tmp_path)[name]()


def test_words_in_the_place_of_images_and_settings_are_refused_in_a_sentence():
    model = sfp.load_model("lenet5_digits")
    with pytest.raises(DataError, match="This takes Images"):
        sfp.measure_accuracy(model, "digits")  # pyright: ignore
    with pytest.raises(RunError, match="settings are a Distillation, not dict"):
        next(sfp.finetune(model, teacher=None, data="digits", settings={"epochs": 1}))  # pyright: ignore
    with pytest.raises(DataError, match="named by a word or a path, not by int"):
        sfp.load_data(3)  # pyright: ignore
