import json
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.errors import ModelError
from sfp_viz.nets.io import model_file
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.model_file import load_saved, read_header, save_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo import build
from sfp_viz.nets.zoo.build import resize


def built(architecture, arguments=None, shape=(3, 32, 32), **facts):
    module = build.build(architecture, arguments or {})
    for parameter in module.parameters():  # values that no architecture starts with
        parameter.data.add_(torch.linspace(-0.05, 0.05, parameter.numel()).view_as(parameter))
    facts = {"mean": (0.4,) * shape[0], "std": (0.2,) * shape[0], **facts}
    return Model(
        module,
        name="tiny",
        input_shape=shape,
        architecture=architecture,
        arguments=arguments or {},
        **facts,
    )


def resnet(**facts):
    return built("cifar_resnet", {"blocks": 1, "classes": 7}, **facts)


def cut(model, keep, *, block="layer2.0"):
    """By hand: the named block keeps ``keep`` filters of its first convolution."""
    module = build.build(model.architecture, model.arguments)
    state = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    state[f"{block}.conv1.weight"] = state[f"{block}.conv1.weight"][keep]
    for leaf in ("weight", "bias", "running_mean", "running_var"):
        state[f"{block}.bn1.{leaf}"] = state[f"{block}.bn1.{leaf}"][keep]
    state[f"{block}.conv2.weight"] = state[f"{block}.conv2.weight"][:, keep]
    build.resize(module, {name: tuple(t.shape) for name, t in state.items()}, ())
    module.load_state_dict(state)
    gone = tuple(n for n in range(32) if n not in keep)
    removal = Removal(f"{block}.conv1", gone, (Reason("by_hand"),) * len(gone))
    plan = Plan(model.digest, Recipe(), Edits(model.digest), (removal,))
    return model.with_module(module.eval(), plans=(*model.plans, plan))


def difference(one, other):
    images = torch.randn(2, *one.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return float((one.module.eval()(images) - other.module.eval()(images)).abs().max())


def test_a_network_comes_back_as_it_was(tmp_path):
    model = resnet(data="cifar10")
    save_model(model, tmp_path / "deep" / "model.safetensors")
    again = load_saved(tmp_path / "deep" / "model.safetensors")
    assert difference(model, again) == 0
    for name in ("name", "input_shape", "mean", "std", "classes", "architecture", "data"):
        assert getattr(again, name) == getattr(model, name)
    assert (again.digest, again.base_digest) == (model.digest, model.base_digest)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["model.safetensors"]


def test_a_network_cut_once_and_twice_comes_back_without_a_difference(tmp_path):
    model = resnet()
    once = cut(model, list(range(0, 32, 2)))
    twice = cut(once, list(range(0, 16, 3)), block="layer2.0")
    for pruned in (once, twice):
        save_model(pruned, tmp_path / "cut.safetensors")
        again = load_saved(tmp_path / "cut.safetensors")
        assert difference(pruned, again) == 0
        assert again.plans == pruned.plans
        assert again.base_digest == model.digest
        assert again.digest == pruned.digest
    assert again.module.get_submodule("layer2.0.conv1").out_channels == 6
    assert again.module.get_submodule("layer2.0.conv2").in_channels == 6
    assert again.module.get_submodule("layer2.0.bn1").num_features == 6


def test_biases_added_by_compensation_come_back(tmp_path):
    model = resnet()
    model.module.layer1[0].conv2.bias = nn.Parameter(torch.ones(16))
    model = model.with_module(model.module, added_biases=("layer1.0.conv2.bias",))
    save_model(model, tmp_path / "biased.safetensors")
    again = load_saved(tmp_path / "biased.safetensors")
    assert difference(model, again) == 0
    assert again.added_biases == ("layer1.0.conv2.bias",)


def test_depthwise_layers_get_their_conv_groups_back(tmp_path):
    arguments = {"width_mult": 0.25, "num_classes": 5}
    model = built("torchvision:mobilenet_v2", arguments)
    state = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    keep = torch.arange(0, 48, 5)
    for name in list(state):
        if name.startswith("features.2.conv.") and state[name].ndim and len(state[name]) == 48:
            state[name] = state[name][keep]
    state["features.2.conv.2.weight"] = state["features.2.conv.2.weight"][:, keep]
    module = build.build("torchvision:mobilenet_v2", arguments)
    build.resize(module, {name: tuple(t.shape) for name, t in state.items()}, ())
    module.load_state_dict(state)
    assert module.get_submodule("features.2.conv.1.0").groups == len(keep)
    pruned = model.with_module(module)
    save_model(pruned, tmp_path / "depthwise.safetensors")
    assert difference(pruned, load_saved(tmp_path / "depthwise.safetensors")) == 0


def test_the_header_is_read_without_the_weights(tmp_path):
    model = resnet()
    save_model(model, tmp_path / "model.safetensors")
    header = read_header(tmp_path / "model.safetensors")
    assert header["format"] == model_file.FORMAT
    assert header["architecture"] == "cifar_resnet"
    assert header["digest"] == model.digest
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    assert read_header(tmp_path / "plain.safetensors") == {}


class Branching(nn.Module):
    """Own code that torch.export cannot follow."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, images):
        maps = self.conv(images).mean((2, 3))
        return maps if maps.sum() > 0 else -maps


def test_a_network_of_own_code_that_cannot_be_saved_says_what_to_do(tmp_path):
    model = Model(Branching(), name="branching", input_shape=(3, 8, 8))
    with pytest.raises(ModelError, match=r"holds no code.*into=module"):
        save_model(model, tmp_path / "own.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architecture", "nonsense"),
        ("architecture", "timm:hf-hub:someone/something"),
        ("architecture", None),
        ("arguments", {"blocks": 10**9}),
        ("arguments", {"blocks": 1, "classes": 10**12}),
        ("arguments", {"blocks": 1, "pretrained": True}),
        ("arguments", {"blocks": [1]}),
        ("arguments", {"blocks": 1, "classes": 0}),
        ("arguments", 3),
        ("input_shape", [3, 10**6, 10**6]),
        ("input_shape", [3, 32]),
        ("mean", [0.5]),
        ("std", [0, 0, 0]),
        ("plans", [{"format": 1}]),
        ("plans", 5),
        ("added_biases", ["layer1.0.nowhere.bias"]),
        ("added_biases", ["layer1.0.conv1.weight"]),
        ("format", 99),
    ],
)
def test_a_hostile_header_gives_one_sentence(tmp_path, key, value):
    header = {**json.loads(model_file.header_of(resnet())), key: value}
    state = resnet().module.state_dict()
    path = tmp_path / "bad.safetensors"
    save_file(state, path, metadata={model_file.ENTRY: json.dumps(header)})
    with pytest.raises(Exception) as caught:
        load_saved(path)
    assert type(caught.value).__name__ in ("ModelError", "PlanError")
    assert "\n" not in str(caught.value)


def test_large_arguments_are_refused_before_memory_is_taken():
    arguments = {"width_per_group": 1024, "groups": 1}
    with pytest.raises(ModelError, match="learned values"):
        build.build("torchvision:resnet152", arguments)


def test_weights_wider_than_the_architecture_are_refused(tmp_path):
    model = resnet()
    state = model.module.state_dict()
    state["conv1.weight"] = torch.zeros(17, 3, 3, 3)
    path = tmp_path / "wide.safetensors"
    save_file(state, path, metadata={model_file.ENTRY: model_file.header_of(model)})
    with pytest.raises(ModelError, match="belongs to another network"):
        load_saved(path)


def test_missing_and_changed_weights_are_noticed(tmp_path):
    model, path = resnet(), tmp_path / "model.safetensors"
    save_model(model, path)
    state = load_file(path)
    header = {model_file.ENTRY: model_file.header_of(model)}
    save_file({n: t for n, t in state.items() if n != "bn1.bias"}, path, metadata=header)
    with pytest.raises(ModelError, match=r"bn1\.bias"):
        load_saved(path)
    save_file({**state, "bn1.bias": state["bn1.bias"] + 1}, path, metadata=header)
    with pytest.raises(ModelError, match="changed after it was written"):
        load_saved(path)


def test_damaged_files_give_one_sentence(tmp_path, monkeypatch):
    model, path = resnet(), tmp_path / "model.safetensors"
    save_model(model, path)
    whole = path.read_bytes()
    for content in (whole[:-9], whole[:20], b"hello", struct.pack("<Q", 2**60) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="incomplete"):
            load_saved(path)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="empty"):
        load_saved(path)
    with pytest.raises(ModelError, match="no file"):
        load_saved(tmp_path / "nothing.safetensors")
    path.write_bytes(whole)
    monkeypatch.setattr(model_file, "MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="at most 1 GB"):
        load_saved(path)


def test_building_leaves_the_random_stream_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one = build.build("lenet5", {})
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one.conv1.weight, build.build("lenet5", {}).conv1.weight)


def test_a_network_that_its_architecture_does_not_build_is_not_saved(tmp_path):
    model = resnet()
    model.module.extra = nn.Linear(2, 2)
    with pytest.raises(ModelError, match=r"no longer what 'cifar_resnet' builds.*extra"):
        save_model(model.with_module(model.module), tmp_path / "a.safetensors")
    for arguments in ({"activation": nn.ReLU}, {"blocks": 10**6}):
        with pytest.raises(ModelError, match="is not built with"):
            save_model(replace(resnet(), arguments=arguments), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_arguments_may_be_short_lists(tmp_path):
    arguments = {"num_classes": 4, "replace_stride_with_dilation": [False, False, False]}
    model = built("torchvision:resnet18", arguments)
    save_model(model, tmp_path / "list.safetensors")
    assert dict(load_saved(tmp_path / "list.safetensors").arguments) == arguments


def test_a_name_out_of_a_strangers_file_is_one_printable_line(tmp_path):
    header = json.loads(model_file.header_of(resnet()))
    header["name"] = "my\nnet\ud800" + "x" * 500
    path = tmp_path / "named.safetensors"
    save_file(resnet().module.state_dict(), path, metadata={model_file.ENTRY: json.dumps(header)})
    name = load_saved(path).name
    assert name.startswith("mynetx")
    assert len(name) <= 200


def test_a_network_whose_modules_keep_a_version_opens_again(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    model = load_model("torchvision:mnasnet0_5", input_shape=(3, 32, 32))
    save_model(model, tmp_path / "mnas.safetensors")
    assert load_saved(tmp_path / "mnas.safetensors").digest == model.digest
    state = torchvision.models.mnasnet0_5(weights=None).state_dict()
    torch.save(state, tmp_path / "mnas.pth")
    opened = load_model(tmp_path / "mnas.pth", architecture="mnasnet0_5", input_shape=(3, 32, 32))
    weights = opened.module.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in state.items())


def test_a_header_says_the_conv_groups_that_shapes_do_not_tell():
    module = nn.Sequential(nn.Conv2d(6, 12, 1, groups=6))
    shapes = {"0.weight": (6, 1, 1, 1), "0.bias": (6,)}
    resize(module, shapes, (), {"0": 6})
    assert module(torch.zeros(1, 6, 2, 2)).shape == (1, 6, 2, 2)
    other = nn.Sequential(nn.Conv2d(6, 12, 1, groups=6))
    resize(other, shapes, ())  # as files of before have it
    assert other[0].groups == 3
    for wrong in (4, 7, -1):
        with pytest.raises(ModelError, match="conv_groups"):
            resize(nn.Sequential(nn.Conv2d(6, 12, 1, groups=6)), shapes, (), {"0": wrong})


@pytest.mark.slow
def test_a_pruned_depthwise_layer_with_a_multiplier_opens_again(tmp_path):
    model = load_model("timm:fastvit_t8", input_shape=(3, 64, 64))
    network = read_network(model)
    group = network.group_of("final_conv.conv_scale.conv")
    assert group is not None
    edits = Edits(network.digest, ratios=((group.name, 0.5),))
    recipe = recipes.uniform_l1(0.0)
    plan = make_plan(network, analyze(network, recipe), recipe, edits=edits)
    small = prune(model, plan, network=network)
    save_model(small, tmp_path / "fast.safetensors")
    opened = load_saved(tmp_path / "fast.safetensors")
    assert opened.digest == small.digest
    layers = (m.module.final_conv.conv_scale.conv for m in (small, opened))
    assert len({(layer.groups, layer.out_channels) for layer in layers}) == 1
