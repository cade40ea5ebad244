"""Files of weights as people have them: whatever their names, wrappers, numbers and endings."""

import argparse
import collections
import copy
import warnings
from datetime import datetime

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from sfp_viz.errors import ModelError
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo import build


class Block(nn.Module):
    """A basic block in somebody's own words."""

    def __init__(self, ins, outs, stride, words):
        super().__init__()
        conv = (
            nn.Conv2d(ins, outs, 3, stride, 1, bias=False),
            nn.Conv2d(outs, outs, 3, 1, 1, bias=False),
        )
        norm = nn.BatchNorm2d(outs), nn.BatchNorm2d(outs)
        steps = {"c1": conv[0], "n1": norm[0], "c2": conv[1], "n2": norm[1]}
        self.words, self.changes = words, stride != 1 or ins != outs
        if self.changes and words["aside"]:
            aside = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))
            steps["aside"] = aside
        for step in words["order"]:
            if step in steps:
                self.add_module(words[step], steps[step])
        self.extra, self.stride = outs - ins, stride

    def forward(self, maps):
        step = {
            key: getattr(self, word, None)
            for key, word in self.words.items()
            if word and key != "order"
        }
        out = step["n2"](step["c2"](F.relu(step["n1"](step["c1"](maps)))))
        if "aside" in step and step["aside"] is not None:
            maps = step["aside"](maps)
        elif self.changes:
            half = self.extra // 2
            maps = F.pad(maps[:, :, ::2, ::2], (0, 0, 0, 0, half, self.extra - half))
        return F.relu(out + maps)


PLAIN = ("c1", "n1", "c2", "n2", "aside")


def words(text, order=PLAIN):
    return {**dict(zip(PLAIN, text.split(","), strict=True)), "order": order}


WORDS = {
    "downsample": words("conv1,bn1,conv2,bn2,downsample"),
    "projection first": words("a,b,c,d,proj", ("aside", *PLAIN)),
    "norms last": words("x,y,z,w,skip", ("c1", "c2", "n1", "n2", "aside")),
    "option A": words("conv_1,bn_1,conv_2,bn_2,"),
}


class PersonsResNet(nn.Module):
    def __init__(self, words, blocks=(2, 2, 2), widths=(16, 32, 64), stage="layer", head="fc"):
        super().__init__()
        self.conv_1_3x3 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        ins, self.names, self.head = widths[0], [], head
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stages = [
                Block(ins if i == 0 else width, width, 2 if number and i == 0 else 1, words)
                for i in range(count)
            ]
            ins = width
            self.names.append(f"{stage}{number + 1}")
            self.add_module(self.names[-1], nn.Sequential(*stages))
        self.add_module(head, nn.Linear(ins, 10))

    def forward(self, images):
        maps = F.relu(self.bn(self.conv_1_3x3(images)))
        for name in self.names:
            maps = getattr(self, name)(maps)
        return getattr(self, self.head)(F.adaptive_avg_pool2d(maps, 1).flatten(1))


class PreActBlock(nn.Module):
    def __init__(self, ins, outs, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(ins), nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(outs), nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(ins, outs, 1, stride, bias=False) if ins != outs else None

    def forward(self, maps):
        out = F.relu(self.bn1(maps))
        aside = maps if self.shortcut is None else self.shortcut(out)
        return aside + self.conv2(F.relu(self.bn2(self.conv1(out))))


class PreAct(nn.Module):
    """A Wide ResNet (with its last norm), or a PreAct ResNet without one."""

    def __init__(self, last_norm):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        blocks, ins = [], 16
        for number, width in enumerate((32, 64, 128)):
            for index in range(2):
                blocks.append(PreActBlock(ins, width, 2 if number and index == 0 else 1))
                ins = width
        self.blocks = nn.Sequential(*blocks)
        self.bn1 = nn.BatchNorm2d(ins) if last_norm else None
        self.fc = nn.Linear(ins, 10)

    def forward(self, images):
        maps = self.blocks(self.conv1(images))
        maps = maps if self.bn1 is None else F.relu(self.bn1(maps))
        return self.fc(F.adaptive_avg_pool2d(maps, 1).flatten(1))


def trained(module):
    """The module with weights and statistics as if it had learned something."""
    numbers = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            low = 0.5 if "var" in name or tensor.ndim == 1 else -0.1
            tensor.copy_(torch.rand(tensor.shape, generator=numbers) * 0.2 + low)
    return module.eval()


def same_outputs(module, model):
    images = torch.randn(2, *model.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, actual = module(images), model.module(images)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def opened(state, path, **options):
    torch.save(state, path)
    return load_model(path, **options)


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    ("stage", "head"), [("layer", "fc"), ("stage_", "classifier"), ("block", "linear")]
)
def test_cifar_resnets_open_under_whatever_names_they_have(tmp_path, words, stage, head):
    module = trained(PersonsResNet(WORDS[words], stage=stage, head=head))
    model = opened(module.state_dict(), tmp_path / "a.pth")
    assert model.architecture == "cifar_resnet"
    assert model.arguments["shortcut"] == ("pad" if words == "option A" else "projection")
    assert dict(model.source.keys)["conv_1_3x3.weight"] == "conv1.weight"
    assert len(model.source.keys) >= len(module.state_dict()) * 5 / 6  # counts of batches aside
    same_outputs(module, model)


def test_every_group_of_a_recognized_residual_network_can_be_pruned(tmp_path):
    module = PersonsResNet(WORDS["downsample"], (2, 2, 2, 2), (16, 32, 64, 128))
    model = opened(trained(module).state_dict(), tmp_path / "a.pth")
    assert model.architecture == "residual_network"
    network = read_network(model)
    protected = {group.name: group.why for group in network.groups if group.protected}
    assert protected == {"conv1": "narrow input"}  # three channels, left whole as everywhere


def test_a_resnet18_for_small_images_and_one_of_bottlenecks_open(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"], (2, 2, 2, 2), (64, 128, 256, 512)))
    model = opened(module.state_dict(), tmp_path / "a.pth")
    assert model.architecture == "residual_network"
    assert model.input_shape == (3, 32, 32)
    same_outputs(module, model)
    bottlenecks = build.build(
        "residual_network", {"widths": [64, 128], "blocks": [2, 2], "inner": [16, 32], "classes": 7}
    )
    names = {name: name.replace("layer", "stage").replace("downsample", "shortcut")
             for name in bottlenecks.state_dict()}  # fmt: skip
    state = {names[name]: tensor for name, tensor in trained(bottlenecks).state_dict().items()}
    model = opened(state, tmp_path / "b.pth")
    assert (model.classes, model.arguments["inner"]) == (7, [16, 32])
    same_outputs(bottlenecks, model)


@pytest.mark.parametrize("last_norm", [True, False])
def test_wide_and_preact_resnets_open(tmp_path, last_norm):
    module = trained(PreAct(last_norm))
    model = opened(module.state_dict(), tmp_path / "a.pth")
    assert model.arguments["preact"]
    assert model.arguments.get("final_norm", False) == last_norm
    same_outputs(module, model)


def test_numbers_in_place_of_names_are_enough(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"]))
    owners = {}
    state = {}
    for name, tensor in module.state_dict().items():
        owner, _, leaf = name.rpartition(".")
        state[f"{owners.setdefault(owner, len(owners))}.{leaf}"] = tensor
    same_outputs(module, opened(state, tmp_path / "a.pth"))
    bare = [t for n, t in module.state_dict().items() if not n.endswith("num_batches_tracked")]
    same_outputs(module, opened(bare, tmp_path / "list.pth"))


def sequential(*steps, ins=3):
    layers = []
    for step in steps:
        if isinstance(step, int):
            layers += [nn.Conv2d(ins, step, 3, padding=1), nn.BatchNorm2d(step), nn.ReLU()]
            ins = step
        else:
            layers.append(step)
    return nn.Sequential(*layers)


class Tutorial(nn.Module):
    """The network of PyTorch's tutorial for CIFAR-10."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, images):
        maps = F.max_pool2d(F.relu(self.conv1(images)), 2)
        maps = F.max_pool2d(F.relu(self.conv2(maps)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(maps)))))


CHAINS = {
    "tutorial": Tutorial,
    "flattened": lambda: sequential(
        8, nn.MaxPool2d(2), 16, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 64, 10)
    ),
    "averaged": lambda: sequential(
        8, nn.MaxPool2d(2), 16, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    ),
    "two linear layers": lambda: sequential(
        8, 8, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 256, 32), nn.ReLU(), nn.Dropout(),
        nn.Linear(32, 10),
    ),
    "ReLU first": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.Flatten(),
        nn.Linear(16 * 256, 10),
    ),
    "VGG": lambda: nn.ModuleDict({
        "features": sequential(*[s for w in (8, 16, 16, 32, 32) for s in (w, nn.MaxPool2d(2))]),
        "classifier": nn.Linear(32, 10),
    }),
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
def test_chains_open_where_their_layers_tell_all_of_them(tmp_path, chain):
    module = trained(CHAINS[chain]())
    model = opened(module.state_dict(), tmp_path / "a.pth")
    assert model.architecture == "plain_network"
    assert "ReLU" in model.source.assumptions[0]
    if chain == "VGG":
        module = nn.Sequential(module["features"], nn.Flatten(), module["classifier"])
    same_outputs(module, model)


def test_a_resnet9_opens_by_its_names_and_is_else_not_taken_for_a_chain(tmp_path):
    module = trained(build.build("resnet9", {"width": 8}))
    state = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
    same_outputs(module, opened(state, tmp_path / "a.pth"))
    other = {n.replace("res1", "skip").replace("conv2", "x"): t for n, t in state.items()}
    same_outputs(module, opened(other, tmp_path / "a.pth"))
    with pytest.raises(ModelError, match="does not tell where its shortcuts are"):
        opened({n.replace("res2", "x"): t for n, t in state.items()}, tmp_path / "a.pth")


class ThreePoolings(nn.Module):
    """A small CNN as many write it: a pooling behind each convolution."""

    def __init__(self):
        super().__init__()
        for number, (ins, outs) in enumerate(((3, 8), (8, 16), (16, 16)), 1):
            self.add_module(f"conv{number}", nn.Conv2d(ins, outs, 3, padding=1))
        self.fc1, self.fc2 = nn.Linear(16 * 16, 32), nn.Linear(32, 10)

    def forward(self, images):
        for conv in (self.conv1, self.conv2, self.conv3):
            images = F.max_pool2d(F.relu(conv(images)), 2)
        return self.fc2(F.relu(self.fc1(images.flatten(1))))


def test_the_regular_chain_is_taken_and_others_are_spoken_of(tmp_path):
    module = trained(ThreePoolings())
    model = opened(module.state_dict(), tmp_path / "a.pth")
    assert any("1 other chain" in text for text in model.source.assumptions)
    same_outputs(module, model)


class FunctionalWide(nn.Module):
    """The names of the first published Wide ResNets: functions over a mapping of tensors."""

    def __init__(self):
        super().__init__()
        self.net = PreAct(True)

    def state(self):
        state = {"conv0": self.net.conv1.weight}
        for number, block in enumerate(self.net.blocks):
            place = f"group{number // 2}.block{number % 2}"
            state |= {f"{place}.conv{i}": getattr(block, f"conv{i + 1}").weight for i in (0, 1)}
            for i in (0, 1):
                norm = getattr(block, f"bn{i + 1}").state_dict()
                state |= {f"{place}.bn{i}.{n}": t for n, t in norm.items() if t.ndim}
            if block.shortcut is not None:
                state[f"{place}.convdim"] = block.shortcut.weight
        for name, layer in (("bn", self.net.bn1), ("fc", self.net.fc)):
            state |= {f"{name}.{n}": t for n, t in layer.state_dict().items() if t.ndim}
        return {name: tensor.detach() for name, tensor in state.items()}


def test_the_first_wide_resnets_open(tmp_path):
    wide = FunctionalWide()
    trained(wide.net)
    model = opened({"epoch": 200, "params": wide.state()}, tmp_path / "a.pth")
    same_outputs(wide.net, model)


def test_a_chain_that_is_not_told_says_what_is_unknown(tmp_path):
    layers = {f"conv{i}": nn.Conv2d(3 if i == 1 else 8, 8, 3, padding=1) for i in range(1, 5)}
    module = nn.ModuleDict({**layers, "fc": nn.Linear(8 * 64, 10)})
    with pytest.raises(ModelError, match=r"does not tell where its poolings stand.*6 chains"):
        opened(module.state_dict(), tmp_path / "a.pth")
    module = nn.ModuleDict({**layers, "fc": nn.Linear(8, 10)})
    with pytest.raises(ModelError, match="does not tell where the poolings between its 4"):
        opened(module.state_dict(), tmp_path / "a.pth")
    model = opened(module.state_dict(), tmp_path / "a.pth", explore=True)
    assert model.architecture == "bare_weights"


def test_a_layer_too_many_or_too_few_is_never_dropped_or_made_up(tmp_path):
    module = PersonsResNet(WORDS["downsample"])
    state = module.state_dict()
    more = {**state, "layer1.2.conv1.weight": torch.ones(16, 16, 3, 3)}
    less = {name: tensor for name, tensor in state.items() if "layer3.1.bn2" not in name}
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("fc")}
    for wrong in (more, less, headless):
        with pytest.raises(ModelError, match="fit no known architecture"):
            opened(wrong, tmp_path / "a.pth")
        source = opened(wrong, tmp_path / "a.pth", explore=True).source
        assert source.nearest
        assert {kind for _, kind in source.differences} & {"missing", "unexpected"}
    two_heads = {**state, "fc.weight": torch.ones(50, 64), "fc.bias": torch.ones(50),
                 "fc2.weight": torch.ones(10, 50), "fc2.bias": torch.ones(10)}  # fmt: skip
    with pytest.raises(ModelError):
        opened(two_heads, tmp_path / "a.pth")


@pytest.mark.parametrize(
    "key",
    ["state_dict", "model", "model_state_dict", "net", "weights", "params", "ema", "my_model"],
)
def test_wrappers_of_any_kind_are_taken_off(tmp_path, key):
    module = trained(PersonsResNet(WORDS["downsample"]))
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    beside = {"epoch": 3, "optimizer": optimizer.state_dict(), "acc": np.float64(0.9)}
    state = module.state_dict()
    for content in ({key: state, **beside}, [{key: state}], ({key: {key: state}}, 5, beside)):
        same_outputs(module, opened(content, tmp_path / "a.pth"))


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "backbone.", "net.", "model._orig_mod.", "a.b.c."]
)
def test_prefixes_and_strangers_do_not_spoil_a_file(tmp_path, prefix):
    module = trained(PersonsResNet(WORDS["downsample"]))
    state = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    same_outputs(module, opened(state, tmp_path / "a.ckpt"))
    strangers = {"criterion.weight": torch.ones(10), "loss.centers": torch.ones(10, 64)}
    model = opened({"state_dict": {**state, **strangers}}, tmp_path / "a.ckpt")
    assert set(strangers) <= set(model.source.left_out)
    same_outputs(module, model)


def test_of_two_networks_the_one_that_is_trained_opens_and_the_other_is_named(tmp_path):
    student, teacher = (trained(PersonsResNet(WORDS["downsample"], (n,) * 3)) for n in (1, 2))
    state = {f"student.{n}": t for n, t in student.state_dict().items()}
    state |= {f"teacher.{n}": t for n, t in teacher.state_dict().items()}
    model = opened(state, tmp_path / "a.ckpt")
    same_outputs(student, model)
    assert "teacher.conv_1_3x3.weight" in model.source.left_out


class Anything:
    """A class that only the author of a file has."""


@pytest.mark.parametrize("is_zip", [True, False])
def test_objects_beside_the_weights_are_left_out_and_not_made(tmp_path, is_zip):
    module = trained(PersonsResNet(WORDS["downsample"]))
    settings = argparse.Namespace(lr=0.1)
    beside = {"args": settings, "when": datetime(2026, 1, 1), "mine": Anything(),
              "best": np.float32(0.5), "history": collections.defaultdict(list)}  # fmt: skip
    torch.save(
        {"net": module.state_dict(), **beside}, tmp_path / "a.pth",
        _use_new_zipfile_serialization=is_zip,
    )  # fmt: skip
    same_outputs(module, load_model(tmp_path / "a.pth"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_other_kinds_are_read_as_float32(tmp_path, dtype):
    module = trained(PersonsResNet(WORDS["downsample"])).to(dtype)
    model = opened(module.state_dict(), tmp_path / "a.bin")
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    same_outputs(module.float(), model)


def test_shared_and_transposed_storage_opens(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"]))
    state = dict(module.state_dict())
    whole = torch.cat([tensor.flatten().float() for tensor in state.values()])
    start = 0
    for name, tensor in state.items():
        state[name] = whole[start : start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()
    state["fc.weight"] = state["fc.weight"].T.contiguous().T
    same_outputs(module, opened(state, tmp_path / "a.model"))


@pytest.mark.parametrize(
    "name", ["a.pth", "a.pth.tar", "a.ckpt", "a.bin", "a.model", "a.pt", "a.th"]
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_every_usual_ending_opens_in_both_formats_of_torch(tmp_path, name, is_zip):
    module = trained(PersonsResNet(WORDS["downsample"], (1, 1, 1)))
    torch.save(module.state_dict(), tmp_path / name, _use_new_zipfile_serialization=is_zip)
    model = load_model(tmp_path / name)
    assert model.name == "a"
    same_outputs(module, model)


def test_safetensors_open_under_any_ending(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"], (1, 1, 1)))
    save_file(module.state_dict(), tmp_path / "a.bin")
    assert load_model(tmp_path / "a.bin").architecture == "cifar_resnet"


@pytest.mark.parametrize("module", [PreAct(True), PreAct(False), Tutorial(), CHAINS["flattened"](),
                                    PersonsResNet(WORDS["downsample"], (3, 3, 3)),
                                    PersonsResNet(WORDS["option A"], stage="block")])  # fmt: skip
def test_safetensors_whose_entries_are_in_the_order_of_the_alphabet_open(tmp_path, module):
    state = trained(module).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    same_outputs(module, load_model(tmp_path / "a.safetensors"))
    head = ("fc", "9")
    inside = {n if n.startswith(head) else f"backbone.{n}": t for n, t in state.items()}
    save_file(inside, tmp_path / "b.safetensors")
    same_outputs(module, load_model(tmp_path / "b.safetensors"))


def test_safetensors_with_numbers_in_place_of_names_open(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"], (3, 3, 3)))
    owners, state = {}, {}
    for name, tensor in module.state_dict().items():
        owner, _, leaf = name.rpartition(".")
        state[f"{owners.setdefault(owner, len(owners))}.{leaf}"] = tensor
    save_file(state, tmp_path / "a.safetensors")
    same_outputs(module, load_model(tmp_path / "a.safetensors"))


def test_weights_that_torch_keeps_in_parts_are_joined(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"]))
    masked = copy.deepcopy(module)
    for layer in masked.modules():
        if isinstance(layer, nn.Conv2d):
            torch.nn.utils.prune.l1_unstructured(layer, "weight", 0.5)
    assert any(name.endswith("weight_mask") for name in masked.state_dict())
    same_outputs(masked, opened(masked.state_dict(), tmp_path / "a.pth"))
    directed = copy.deepcopy(module)
    torch.nn.utils.parametrizations.weight_norm(directed.fc)
    torch.nn.utils.parametrizations.weight_norm(directed.conv_1_3x3)
    same_outputs(module, opened(directed.state_dict(), tmp_path / "b.pth"))


FILES = {
    "git-LFS": (b"version https://git-lfs.github.com/spec/v1\nsize 5\n", "git lfs pull"),
    "web page": (b"\n<!DOCTYPE html><html></html>", "download button"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras"),
    "tar archive": (bytes(257) + b"ustar" + bytes(250), "Unpack"),
    "gzip": (b"\x1f\x8b" + bytes(100), "Unpack"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(100), "PyTorch"),
    "empty": (b"", "again"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", ["a.pth", "a.bin", "a.safetensors"])
def test_other_files_are_named_with_a_way_out(tmp_path, kind, name):
    content, way_out = FILES[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=kind) as caught:
        load_model(tmp_path / name)
    assert way_out in str(caught.value)


def test_programs_are_named_with_a_way_out(tmp_path):
    module = trained(PersonsResNet(WORDS["downsample"], (1, 1, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, that this format is old
        torch.jit.save(torch.jit.trace(module, torch.zeros(1, 3, 32, 32)), tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"TorchScript.*torch\.jit\.load"):
        load_model(tmp_path / "a.pt")


def onnx_bytes():
    """A convolution, a norm and a linear layer in ONNX, under an exporter's names."""
    from onnx import TensorProto, helper, numpy_helper

    numbers = np.random.default_rng(0)
    arrays = {
        "onnx::Conv_1": numbers.normal(size=(6, 3, 3, 3)),
        "features.3.weight": numbers.normal(size=(8, 6, 3, 3)),
        "w": numbers.normal(size=(8, 4)),
        **dict(zip("gbmv", (np.ones(8), np.zeros(8), np.zeros(8), np.ones(8)), strict=True)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "onnx::Conv_1"], ["y"]),
        helper.make_node("Conv", ["y", "features.3.weight"], ["z"]),
        helper.make_node("BatchNormalization", ["z", "g", "b", "m", "v"], ["n"]),
        helper.make_node("MatMul", ["n", "w"], ["out"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("x", "out")]
    tensors = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    return helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize("name", ["a.onnx", "a.pth"])
def test_onnx_opens_for_exploring_and_is_named_otherwise(tmp_path, name):
    from sfp_viz.nets.tracing.read_network import read_network

    (tmp_path / name).write_bytes(onnx_bytes())
    with pytest.raises(ModelError, match="is an ONNX file"):
        load_model(tmp_path / name)
    network = read_network(load_model(tmp_path / name, explore=True))
    assert [layer.name for layer in network.layers] == ["layer0", "features.3"]
    assert network.layers[1].scale is not None
    (tmp_path / "cut.onnx").write_bytes(onnx_bytes()[:300])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        load_model(tmp_path / "cut.onnx", explore=True)


def test_a_state_dict_of_an_unknown_network_opens_for_exploring(tmp_path):
    from sfp_viz.nets.io.model_store import import_model, load_stored, stored_network
    from sfp_viz.nets.tracing.read_network import read_network

    first, second = torch.randn(8, 4, 3, 3), torch.randn(6, 8, 1, 1)
    state = {"encoder.0.weight": first, "encoder.1.weight": second, "gate": torch.randn(3)}
    model = opened(state, tmp_path / "a.pth", explore=True)
    network = read_network(model)
    assert network.is_bare
    assert [layer.name for layer in network.layers] == ["encoder.0", "encoder.1"]
    assert network.free == ()
    digest = import_model(tmp_path / "home", model)
    again = stored_network(tmp_path / "home", digest)
    assert again.is_bare
    np.testing.assert_array_equal(again.layers[0].weight, state["encoder.0.weight"])
    with pytest.raises(ModelError, match="cannot be run"):
        load_stored(tmp_path / "home", digest).module(torch.zeros(1, 4, 8, 8))
