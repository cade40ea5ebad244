"""Networks out of .pt2 files, and of own code, are kept, opened again, trained and exported."""

import json

import pytest
import torch
from torch import nn

import sfp_viz as sfp
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.io.model_store import import_model, load_stored, stored_network
from tests.nets.exported.networks import Gated, Shuffled, drawn, write_pt2


def plan_of(model, share=0.3):
    network, recipe = sfp.read_network(model), sfp.recipes.uniform_l1(share)
    return sfp.make_plan(network, sfp.analyze(network, recipe), recipe)


def same_outputs(one, other, shape=(3, 8, 8)):
    for batch in (1, 3, 32):
        images = torch.randn(batch, *shape)
        with torch.no_grad():
            assert torch.allclose(one.module(images), other.module(images), atol=1e-5)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("kind", [Gated, Shuffled])
@pytest.mark.parametrize("suffix", ["safetensors", "pt2"])
def test_a_pruned_network_is_saved_and_opened_again(tmp_path, kind, batch, suffix):
    model = sfp.load_model(write_pt2(drawn(kind), tmp_path / "own.pt2", batch=batch))
    slim = sfp.prune(model, plan_of(model))
    path = tmp_path / f"slim.{suffix}"
    if suffix == "pt2":
        assert sfp.export_pt2(slim, path) <= 1e-5
    else:
        sfp.save_model(slim, path)
    again = sfp.load_model(path)
    same_outputs(slim, again)
    assert again.digest == slim.digest
    assert again.plans == slim.plans
    assert (again.name, again.mean, again.base_digest) == (slim.name, slim.mean, model.digest)
    assert sfp.cost(sfp.read_network(again)) == sfp.cost(sfp.read_network(slim))
    twice = sfp.prune(again, plan_of(again, 0.2))
    sfp.save_model(twice, tmp_path / "twice.safetensors")
    same_outputs(twice, sfp.load_model(tmp_path / "twice.safetensors"))


def test_an_opened_network_is_kept_in_the_workspace(tmp_path):
    model = sfp.load_model(write_pt2(drawn(Gated), tmp_path / "own.pt2"))
    digest = import_model(tmp_path, model)
    same_outputs(model, load_stored(tmp_path, digest))
    assert stored_network(tmp_path, digest).groups == sfp.read_network(model).groups


def test_a_network_of_own_code_is_kept_without_its_code(tmp_path):
    module = drawn(Gated)
    model = sfp.Model(module, name="mine", input_shape=(3, 8, 8))
    digest = import_model(tmp_path, model)
    assert digest == model.digest
    same_outputs(model, load_stored(tmp_path, digest))
    slim = sfp.prune(model, plan_of(model))
    sfp.save_model(slim, tmp_path / "slim.safetensors")
    same_outputs(slim, sfp.load_model(tmp_path / "slim.safetensors"))


@pytest.mark.parametrize("suffix", ["safetensors", "pt2", "pt"])
def test_a_file_opens_into_a_module_of_own_code(tmp_path, suffix):
    module = drawn(Gated)
    model = sfp.Model(module, name="mine", input_shape=(3, 8, 8))
    slim, path = sfp.prune(model, plan_of(model)), tmp_path / f"slim.{suffix}"
    if suffix == "pt":
        torch.save(slim.module.state_dict(), path)
    else:
        (sfp.export_pt2 if suffix == "pt2" else sfp.save_model)(slim, path)
    again = sfp.load_model(path, into=drawn(Gated, seed=1), input_shape=(3, 8, 8))
    assert type(again.module) is Gated
    same_outputs(slim, again)
    with pytest.raises(sfp.ModelError, match=r"not of this module \(missing: .*unexpected: "):
        sfp.load_model(path, into=drawn(Shuffled), input_shape=(3, 8, 8))
    if suffix == "pt":
        with pytest.raises(sfp.ModelError, match="Add input_shape"):
            sfp.load_model(path, into=drawn(Gated))


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 24, 3, padding=1)
        self.fc = nn.Linear(24, 10)

    def forward(self, images):
        return self.fc(torch.relu(self.b(torch.relu(self.a(images)))).mean((2, 3)))


@pytest.mark.parametrize("suffix", ["safetensors", "pt2"])
def test_a_network_of_own_code_is_trained_and_saved(tmp_path, suffix):
    model = sfp.Model(drawn(Digits), name="digits", input_shape=(1, 8, 8))
    slim, path = sfp.prune(model, plan_of(model)), tmp_path / "out" / f"tuned.{suffix}"
    settings = Distillation(epochs=1, train_images=64, test_images=32)
    epochs = sfp.finetune(slim, teacher=model, data="digits", settings=settings, save_to=path)
    assert len(list(epochs)) == 1
    again = sfp.load_model(path)
    assert again.plans == slim.plans
    assert again.digest != slim.digest


def test_whether_a_network_can_be_saved_is_found_before_training(tmp_path):
    class Branching(Digits):
        def forward(self, images):
            outputs = super().forward(images)
            return outputs if outputs.sum() > 0 else -outputs

    model = sfp.Model(drawn(Branching), name="odd", input_shape=(1, 8, 8))
    settings = Distillation(epochs=1, train_images=64, test_images=32)
    epochs = sfp.finetune(
        model, teacher=None, data="digits", settings=settings, save_to=tmp_path / "a.safetensors"
    )
    with pytest.raises(sfp.ModelError, match="cannot follow it"):
        next(epochs)
    assert not list(tmp_path.iterdir())


def test_a_hostile_program_in_a_file_of_ours_is_refused(tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    model = sfp.load_model(write_pt2(drawn(Gated), tmp_path / "own.pt2"))
    path = tmp_path / "own.safetensors"
    sfp.save_model(model, path)
    with safe_open(path, "pt") as file:
        text = file.metadata()["sfp_viz"]
    state = model.module.state_dict()

    def refused(change):
        header = json.loads(text)
        change(header["arguments"]["program"])
        save_file(state, path, metadata={"sfp_viz": json.dumps(header)})
        with pytest.raises(sfp.ModelError):
            sfp.load_model(path)

    def step(program, target):
        program["steps"][-1][0] = target

    refused(lambda p: step(p, "torch.hub.load"))
    refused(lambda p: step(p, "aten.from_file.default"))
    refused(lambda p: step(p, 3))
    refused(lambda p: p.update(format=2))
    refused(lambda p: p.update(steps=None))
    refused(lambda p: p["layers"][0].__setitem__(1, "Module"))
    refused(lambda p: p["layers"][0][2]["dict"].append(["out_channels", 10**9]))
    refused(lambda p: p["layers"][0][2]["dict"].append(["device", "cuda:7"]))
    refused(lambda p: p["layers"][0].__setitem__(0, "forward"))
    refused(lambda p: p["tensors"].append(["a.b", [10**6, 10**6], "float32", False]))
    refused(lambda p: p["tensors"].append(["a.b", [1], "nn", False]))
    refused(lambda p: p.update(output={"value": "nothing"}))
    refused(lambda p: p.update(output={"trap": "nothing"}))
