import io
import zipfile

import pytest
import torch
from torch import nn

import sfp_viz as sfp
from sfp_viz.nets.zoo import build
from tests.nets.exported.networks import Gated, Layers, Shared, Shuffled, drawn, write_pt2

OWN = (Gated, Shuffled, Layers, Shared)
TORCHVISION = (
    "shufflenet_v2_x0_5",
    *(pytest.param(name, marks=pytest.mark.slow)
      for name in ("resnet18", "mobilenet_v3_small", "regnet_y_400mf")),
)  # fmt: skip


def groups(network):
    return [(g.name, g.layers, g.size, g.protected, g.followers, g.cause) for g in network.groups]


def plan_of(network):
    recipe = sfp.recipes.uniform_l1(0.1)
    return sfp.make_plan(network, sfp.analyze(network, recipe), recipe)


def check_outputs(module, model):
    for batch in (1, 3, 32):
        images = torch.randn(batch, *model.input_shape)
        with torch.no_grad():
            expected, outputs = module(images), model.module(images)
        assert torch.allclose(expected, outputs, atol=1e-5)
    return images


def check_same(module, model):
    """Outputs, groups, costs, plans and pruned outputs are those of the original module."""
    original = sfp.Model(module, name=model.name, input_shape=model.input_shape)
    images = check_outputs(module, model)
    theirs, ours = sfp.read_network(original), sfp.read_network(model)
    assert groups(ours) == groups(theirs)
    assert sfp.cost(ours) == sfp.cost(theirs)
    if all(group.protected for group in theirs.groups):
        return
    plan, other = plan_of(ours), plan_of(theirs)
    assert {g.name: plan.removed(g.name) for g in ours.groups} == {
        g.name: other.removed(g.name) for g in theirs.groups
    }
    slim = sfp.prune(model, plan)
    expected = sfp.prune(original, other).module(images)
    assert torch.allclose(slim.module(images), expected, atol=1e-5)


@pytest.mark.parametrize("batch", [None, 1, 4])
@pytest.mark.parametrize("kind", OWN)
def test_a_network_of_own_code_is_read_as_its_module_is(tmp_path, kind, batch):
    module = drawn(kind)
    model = sfp.load_model(write_pt2(module, tmp_path / "own.pt2", batch=batch))
    assert (model.name, model.input_shape, model.classes) == ("own", (3, 8, 8), 5)
    if kind is Shared:
        del module.unused  # which no step runs
    check_same(module, model)


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_are_read_as_their_modules_are(tmp_path, name):
    module = build.build(f"torchvision:{name}", {"num_classes": 10})
    model = sfp.load_model(write_pt2(module, tmp_path / "net.pt2", side=64))
    check_same(module, model)
    assert set(model.module.state_dict()) == set(module.state_dict())


def test_layers_come_back_as_modules_under_their_own_names(tmp_path):
    module = drawn(Layers)
    model = sfp.load_model(write_pt2(module, tmp_path / "layers.pt2"))
    kinds = {name: type(layer) for name, layer in module.named_children()}
    assert {name: type(layer) for name, layer in model.module.named_children()} == kinds
    assert model.module.get_submodule("drop").p == 0.3
    assert set(model.module.state_dict()) == set(module.state_dict())


def test_a_shared_layer_is_one_module_and_what_never_runs_is_gone(tmp_path):
    model = sfp.load_model(write_pt2(drawn(Shared), tmp_path / "shared.pt2"))
    assert {name for name, _ in model.module.named_children()} == {
        "stem", "block", "first", "second", "last", "fc"
    }  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
def test_norms_and_dropouts_work_in_training_as_in_the_module(tmp_path, training):
    module = drawn(Gated)
    path = write_pt2(module.train(training), tmp_path / "net.pt2")
    model = sfp.load_model(path)
    images = torch.randn(6, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(module.eval()(images), model.module(images), atol=1e-5)
    module.train()
    model.module.train()
    for network in (module, model.module):
        torch.manual_seed(5)
        network(images).sum().backward()
    grads: dict = {name: parameter.grad for name, parameter in module.named_parameters()}
    for name, parameter in model.module.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, grads[name], atol=1e-5), name
    buffers = dict(module.named_buffers())
    for name, buffer in model.module.named_buffers():
        assert torch.allclose(buffer, buffers[name], atol=1e-5), name
    word = "training" if training else "evaluation"
    assert f"exported in {word} mode" in model.arguments["program"]["notes"][0]


def test_low_precision_networks_open_as_float32(tmp_path):
    module = drawn(Gated).to(torch.bfloat16)
    shapes = ({0: torch.export.Dim("batch")},)
    images = torch.zeros(2, 3, 8, 8, dtype=torch.bfloat16)
    torch.export.save(
        torch.export.export(module, (images,), dynamic_shapes=shapes), tmp_path / "low.pt2"
    )
    model = sfp.load_model(tmp_path / "low.pt2")
    images = torch.randn(3, 3, 8, 8)
    assert torch.allclose(module.float()(images), model.module(images), atol=1e-5)


def test_a_parameter_and_a_buffer_outside_of_layers_stay_with_the_network(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 20, 3), nn.Linear(20, 5)
            self.scale = nn.Parameter(torch.rand(1, 1, 1, 1))
            self.register_buffer("mean", torch.rand(1, 3, 1, 1), persistent=False)

        def forward(self, images):
            maps = self.conv(images - self.mean) * self.scale
            return self.fc(maps.relu().mean((2, 3))) * torch.tensor(0.5)

    module = drawn(Scaled)
    model = sfp.load_model(write_pt2(module, tmp_path / "scaled.pt2"))
    check_same(module, model)
    assert isinstance(model.module.scale, nn.Parameter)
    sfp.save_model(model, tmp_path / "scaled.safetensors")
    check_same(module, sfp.load_model(tmp_path / "scaled.safetensors"))


def test_a_network_that_holds_its_number_of_images_says_so(tmp_path):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 5)

        def forward(self, images):
            return self.fc(self.conv(images).relu().mean((2, 3))) * images.mean()

    path = write_pt2(drawn(Mixed), tmp_path / "mixed.pt2", batch=2)
    with pytest.raises(sfp.ModelError, match=r"exported for exactly 2 image.*dynamic_shapes"):
        sfp.load_model(path)


def test_an_export_without_composite_operations_has_the_same_layers(tmp_path):
    module = build.build("torchvision:resnet18", {"num_classes": 10})
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(module, (torch.zeros(2, 3, 64, 64),), dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions(), tmp_path / "core.pt2")
    check_same(module, sfp.load_model(tmp_path / "core.pt2"))


def test_files_of_older_versions_of_torch_open(tmp_path):
    module = drawn(Gated)
    with zipfile.ZipFile(write_pt2(module, tmp_path / "new.pt2")) as file:
        root = file.namelist()[0].partition("/")[0]
        program = file.read(f"{root}/models/model.json")
    members = {"serialized_exported_program.json": program, "version": b"8.8"}
    for name, content in (("state_dict", module.state_dict()), ("constants", {})):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        members[f"serialized_{name}.pt"] = buffer.getvalue()
    members["serialized_example_inputs.pt"] = b"not read"
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    check_same(module, sfp.load_model(tmp_path / "old.pt2"))


def test_parts_without_gradients_are_put_back_among_the_others(tmp_path):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 24, 3), nn.BatchNorm2d(24)
            self.last, self.fc = nn.Conv2d(24, 20, 3), nn.Linear(20, 5)

        def forward(self, images):
            with torch.no_grad():
                maps = self.stem(images)
                with torch.autocast("cpu", enabled=False):
                    maps = self.norm(maps).relu()
            return self.fc(self.last(maps).relu().mean((2, 3)))

    module = drawn(Frozen)
    model = sfp.load_model(write_pt2(module, tmp_path / "frozen.pt2"))
    check_outputs(module, model)  # its groups are read where the module itself is not traced
    assert any("torch.no_grad" in note for note in model.arguments["program"]["notes"])
