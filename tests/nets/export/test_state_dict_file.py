"""A pruned network's state_dict is loaded by its module code in a process without this package."""

import subprocess
import sys
import textwrap

import pytest
import torch

import sfp_viz as sfp
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import ModelError
from sfp_viz.nets.export.module_code import module_code
from sfp_viz.nets.export.state_dict_file import check_module_code, export_state_dict
from sfp_viz.nets.io.exported_file import export_pt2
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.model import Model, Source
from sfp_viz.nets.zoo.build import build
from tests.tiny import Depthwise, randomize

LOADING = textwrap.dedent("""
    import importlib.abc, sys

    class Blocked(importlib.abc.MetaPathFinder):
        def find_spec(self, name, *rest):
            if name.partition(".")[0] in ("sfp_viz", "torch_pruning"):
                raise ImportError(name + " is not there")

    sys.meta_path.insert(0, Blocked())
    import torch
    from network import load_network

    torch.set_num_threads(1)
    images, expected = torch.load("images.pt"), torch.load("expected.pt")
    network = load_network(sys.argv[1])
    assert not network.training
    with torch.inference_mode():
        difference = (network(images) - expected).abs().max() / expected.abs().max()
    assert "sfp_viz" not in sys.modules
    print(float(difference))
""")


def pruned(model, share=0.4, **options):
    recipe = sfp.recipes.uniform_l1(share)
    plan = make_plan_for(Problem(sfp.read_network(model), Request(recipe)))
    return sfp.prune(model, plan, **options)


def difference_elsewhere(model, folder, file):
    """What the module code gives in another process, from the network's outputs."""
    images = torch.randn(5, *model.input_shape, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        torch.save(model.module.eval()(images), folder / "expected.pt")
    torch.save(images, folder / "images.pt")
    (folder / "load.py").write_text(LOADING)
    done = subprocess.run(
        [sys.executable, "load.py", file], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


ARCHITECTURES = [
    ("lenet5", {}, (1, 8, 8)),
    ("cifar_resnet", {"blocks": 1, "shortcut": "pad"}, (3, 32, 32)),
    pytest.param("cifar_googlenet", {}, (3, 32, 32), marks=pytest.mark.slow),
    ("residual_network", {"widths": (8, 16), "blocks": (1, 1), "stem": 8}, (3, 16, 16)),
    ("plain_network", {"layers": ("conv 32 3 1 norm relu pool", "conv 32 3 1 relu",
                                 "linear 10"), "pixels": 16}, (3, 8, 8)),
    ("torchvision:mobilenet_v2", {"num_classes": 7}, (3, 32, 32)),
]  # fmt: skip


@pytest.mark.parametrize(("architecture", "arguments", "shape"), ARCHITECTURES)
def test_the_code_loads_what_was_pruned_without_this_package(
    tmp_path, architecture, arguments, shape
):
    module = randomize(build(architecture, arguments))
    whole = Model(
        module, name="a network", input_shape=shape, architecture=architecture, arguments=arguments
    )
    model = pruned(whole)
    assert export_state_dict(model, tmp_path / "net.pt", tmp_path / "network.py") <= 1e-6
    assert difference_elsewhere(model, tmp_path, "net.pt") <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet", "mnasnet0_5"])
def test_the_code_builds_networks_of_torchvision(tmp_path, name):
    architecture = f"torchvision:{name}"
    module = randomize(build(architecture, {}))
    whole = Model(module, name=name, input_shape=(3, 64, 64), architecture=architecture)
    model = pruned(whole)
    export_state_dict(model, tmp_path / "net.safetensors", tmp_path / "network.py")
    assert difference_elsewhere(model, tmp_path, "net.safetensors") <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "fastvit_t8", "convnext_atto"])
def test_the_code_builds_networks_of_timm(tmp_path, name):
    architecture = f"timm:{name}"
    module = randomize(build(architecture, {"num_classes": 10}))
    whole = Model(module, name=name, input_shape=(3, 64, 64), architecture=architecture,
                  arguments={"num_classes": 10})  # fmt: skip
    model = pruned(whole)
    export_state_dict(model, tmp_path / "net.pt", tmp_path / "network.py")
    assert difference_elsewhere(model, tmp_path, "net.pt") <= 1e-6


def test_biases_that_compensation_added_are_built(tmp_path):
    module = randomize(build("cifar_resnet", {"blocks": 1}))
    for norm in (m for m in module.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.bias.data.uniform_(0.5, 1)
    whole = Model(module, name="net", input_shape=(3, 16, 16), architecture="cifar_resnet",
                  arguments={"blocks": 1})  # fmt: skip
    model = pruned(whole)
    layer = model.module.get_submodule("layer2.0.conv2")
    layer.bias = torch.nn.Parameter(torch.randn(len(layer.weight)))
    model = model.with_module(model.module, added_biases=("layer2.0.conv2.bias",))
    export_state_dict(model, tmp_path / "net.pt", tmp_path / "network.py")
    assert difference_elsewhere(model, tmp_path, "net.pt") <= 1e-6


def test_the_code_of_a_network_of_ones_own_takes_the_uncut_one(tmp_path):
    whole = Model(randomize(Depthwise()), name="own", input_shape=(3, 8, 8))
    model = pruned(whole)
    export_state_dict(model, tmp_path / "net.pt", tmp_path / "network.py")
    namespace = {}
    exec((tmp_path / "network.py").read_text(), namespace)
    network = namespace["load_network"](tmp_path / "net.pt", Depthwise())
    images = torch.randn(3, 3, 8, 8)
    assert torch.allclose(network(images), model.module.eval()(images), atol=1e-6)


def test_the_code_of_a_pt2_file_takes_the_network_of_its_author(tmp_path):
    whole = Model(randomize(Depthwise()), name="own", input_shape=(3, 8, 8))
    export_pt2(whole, tmp_path / "own.pt2")
    model = pruned(load_model(tmp_path / "own.pt2"))
    assert export_state_dict(model, tmp_path / "net.pt", tmp_path / "network.py") <= 1e-6
    namespace = {}
    exec((tmp_path / "network.py").read_text(), namespace)
    network = namespace["load_network"](tmp_path / "net.pt", Depthwise())
    images = torch.randn(3, 3, 8, 8)
    assert torch.allclose(network(images), model.module.eval()(images), atol=1e-6)


def test_the_state_dict_is_plain(tmp_path):
    from safetensors.torch import load_file

    model = pruned(load_model("lenet5_digits"))
    export_state_dict(model, tmp_path / "a.pt")
    export_state_dict(model, tmp_path / "a.safetensors")
    pickled = torch.load(tmp_path / "a.pt", weights_only=True)
    expected = model.module.state_dict()
    for state in (pickled, load_file(tmp_path / "a.safetensors")):
        assert set(state) == set(expected)
        assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_code_that_gives_something_else_is_not_written(tmp_path):
    model = pruned(load_model("lenet5_digits"))
    code = module_code(model).replace("return network.eval()", "return lambda x: 2 * network(x)")
    export_state_dict(model, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"module code .* differs .* with a batch of 1"):
        check_module_code(model, code, (tmp_path / "a.pt").read_bytes(), "pt")
    with pytest.raises(ModelError, match=r"End the name in \.pt or \.safetensors"):
        export_state_dict(model, tmp_path / "a.onnx")


def test_a_strange_name_stays_text(tmp_path):
    model = load_model("lenet5_digits")
    odd = model.with_module(model.module, name='x"""\nimport os\n"""{}')
    export_state_dict(odd, tmp_path / "a.pt", tmp_path / "network.py")
    assert "\nimport os" not in (tmp_path / "network.py").read_text()


class Theirs(torch.nn.Module):
    """A small CNN under its author's names."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.body = nn.ModuleDict(
            {"a": nn.Conv2d(3, 32, 3, padding=1), "b": nn.Conv2d(32, 24, 3, padding=1)}
        )
        self.head = nn.Linear(24 * 16, 10)

    def forward(self, images):
        maps = torch.nn.functional.max_pool2d(self.body["a"](images).relu(), 2)
        return self.head(self.body["b"](maps).relu().flatten(1))


def test_entries_have_the_names_of_the_file_that_was_opened(tmp_path):
    theirs = randomize(Theirs())
    layers = ("conv 32 3 1 relu pool", "conv 24 3 1 relu", "linear 10")
    module = build("plain_network", {"layers": layers, "pixels": 16})
    entries = dict(zip(theirs.state_dict(), module.state_dict(), strict=True))
    module.load_state_dict({new: theirs.state_dict()[old] for old, new in entries.items()})
    whole = Model(module, name="net", input_shape=(3, 8, 8), architecture="plain_network",
                  arguments={"layers": layers, "pixels": 16},
                  source=Source(keys=tuple(entries.items())))  # fmt: skip
    model = pruned(whole)
    for file in ("net.pt", "net.safetensors"):
        assert export_state_dict(model, tmp_path / file, tmp_path / "network.py") <= 1e-6
        assert difference_elsewhere(model, tmp_path, file) <= 1e-6
    assert set(torch.load(tmp_path / "net.pt", weights_only=True)) == set(theirs.state_dict())
    namespace = {}
    exec((tmp_path / "network.py").read_text(), namespace)
    images = torch.randn(3, 3, 8, 8)
    network = namespace["load_network"](tmp_path / "net.pt", Theirs())
    assert isinstance(network, Theirs)
    assert torch.allclose(network(images), model.module.eval()(images), atol=1e-6)
