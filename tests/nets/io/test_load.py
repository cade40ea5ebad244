import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sfp_viz.errors import EXPORT_ADVICE, EXPORT_LINES, ModelError
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.evaluation.measure import measure_accuracy
from sfp_viz.nets.io import samples as shelf
from sfp_viz.nets.io.load import describe, load_model
from sfp_viz.nets.io.model_file import save_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import build

DATA = os.environ.get("SFP_VIZ_DATA", "")
CHECKPOINTS = Path(DATA) / "checkpoints"
needs_checkpoints = pytest.mark.skipif(
    not DATA or not CHECKPOINTS.is_dir(), reason="SFP_VIZ_DATA has no folder 'checkpoints'"
)


def resnet(blocks=1, **arguments):
    return build.build("cifar_resnet", {"blocks": blocks, **arguments})


def same(one, other):
    return all(torch.equal(t, other.state_dict()[n]) for n, t in one.state_dict().items())


@needs_checkpoints
def test_the_published_resnet20_is_recognised_and_as_accurate_as_it_says():
    model = load_model(CHECKPOINTS / "resnet20-12fca82f.th")
    assert model.architecture == "cifar_resnet"
    assert dict(model.arguments) == {"blocks": 3, "shortcut": "pad", "channels": 3, "classes": 10}
    assert (model.mean, model.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (model.input_shape, model.data, model.classes) == ((3, 32, 32), "cifar10", 10)
    measured = measure_accuracy(model, load_data("cifar10", "test", limit=1000))
    assert measured.interval[0] <= 0.917 <= measured.interval[1]


@needs_checkpoints
@pytest.mark.slow
def test_the_published_resnet20_is_right_in_91_7_percent():
    model = load_model(CHECKPOINTS / "resnet20-12fca82f.th")
    measured = measure_accuracy(model, load_data("cifar10", "test"))
    assert measured.accuracy == pytest.approx(0.917, abs=0.006)


@needs_checkpoints
def test_the_blocks_of_the_published_resnet56_are_counted():
    assert load_model(CHECKPOINTS / "resnet56-4bfd9763.th").arguments["blocks"] == 9


def test_a_wrapped_state_dict_of_any_depth_is_recognised(tmp_path):
    for blocks, shortcut in ((1, "pad"), (2, "projection")):
        module = resnet(blocks, shortcut=shortcut, classes=4)
        state = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3, "note": "x"}, tmp_path / "a.th")
        model = load_model(tmp_path / "a.th")
        assert model.arguments["blocks"] == blocks
        assert model.arguments["shortcut"] == shortcut
        assert (model.classes, model.data, model.name) == (4, "", "a")
        assert same(module, model.module)


def average(module):
    """A state dict with the same names, and other values."""
    return {name: tensor + 1 for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("nest", ["state_dict_ema", "ema", "model_ema"])
def test_a_running_average_in_a_checkpoint_counts_only_where_it_is_all_there_is(tmp_path, nest):
    module, path = resnet(), tmp_path / "a.pt"
    state, mean = module.state_dict(), average(module)
    torch.save({nest: mean, "state_dict": state, "epoch": 3}, path)
    assert same(module, load_model(path).module)
    for alone in ({nest: mean, "epoch": 3}, {nest: mean, "state_dict": {}}):
        torch.save(alone, path)
        found = load_model(path).module.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in mean.items())


@pytest.mark.parametrize(
    ("prefix", "copy"),
    [("", "ema."), ("model.", "model_ema.module."), ("module.", "ema_model.module.")],
)
def test_a_running_average_beside_the_weights_is_left_out(tmp_path, prefix, copy):
    module, path = resnet(), tmp_path / "a.pt"
    state = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    state |= {f"{copy}{name}": tensor for name, tensor in average(module).items()}
    state[f"{copy.split('.')[0]}.num_updates"] = torch.tensor(7)
    torch.save({"state_dict": state}, path)
    assert same(module, load_model(path).module)


def test_an_average_with_names_without_dots_is_left_out_and_one_of_torch_opens(tmp_path):
    module, path = resnet(), tmp_path / "a.pt"
    flat = {f"model_ema.{n.replace('.', '')}": t for n, t in average(module).items()}
    state = {f"model.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save(state | flat, path)
    assert same(module, load_model(path).module)
    torch.save(torch.optim.swa_utils.AveragedModel(module).state_dict(), path)
    assert same(module, load_model(path).module)


@pytest.mark.parametrize("names", [["n_averaged"], ["decay", "num_updates"], ["module." * 50_000]])
def test_counts_alone_and_endless_prefixes_give_one_sentence(tmp_path, names):
    torch.save({name: torch.ones(2) for name in names}, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"a\.pt"):
        load_model(tmp_path / "a.pt")


def test_a_part_that_is_called_ema_and_is_no_copy_stays(tmp_path):
    from sfp_viz.nets.io.state_dict import read_state

    state = {"conv.weight": torch.ones(2, 3, 1, 1), "ema.gate.weight": torch.ones(2, 2, 1, 1)}
    torch.save(state, tmp_path / "a.pt")
    assert read_state(tmp_path / "a.pt").keys() == state.keys()


def test_the_old_torch_format_and_plain_safetensors_open_too(tmp_path):
    module = resnet()
    torch.save(module.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(module.state_dict(), tmp_path / "plain.safetensors")
    assert same(module, load_model(tmp_path / "old.pt").module)
    assert same(module, load_model(tmp_path / "plain.safetensors").module)


def test_our_own_architectures_are_recognised_from_their_shapes(tmp_path):
    for architecture, arguments in (
        ("lenet5", {"channels": 3, "side": 12, "classes": 6}),
        ("slim_vgg11", {"channels": 1, "classes": 5}),
        ("lenet_caffe", {"channels": 1, "side": 20, "classes": 7}),
        ("cifar_alexnet", {"channels": 3, "classes": 4}),
        ("cifar_vgg16", {"channels": 1, "classes": 5}),
        ("cifar_googlenet", {"channels": 3, "classes": 6}),
    ):
        torch.save(build.build(architecture, arguments).state_dict(), tmp_path / "a.pt")
        model = load_model(tmp_path / "a.pt")
        assert (model.architecture, dict(model.arguments)) == (architecture, arguments)
        sides = arguments.get("side"), 28 if arguments["channels"] == 1 else 32
        assert model.input_shape[1] == next(side for side in sides if side)


def test_torchvision_weights_are_recognised_with_their_number_of_classes(tmp_path):
    module = build.build("torchvision:squeezenet1_1", {})
    torch.save(module.state_dict(), tmp_path / "squeeze.pt")
    model = load_model(tmp_path / "squeeze.pt", input_shape=(3, 64, 64))
    assert (model.architecture, model.classes) == ("torchvision:squeezenet1_1", 1000)
    small = build.build("torchvision:mobilenet_v3_small", {"num_classes": 9})
    torch.save(small.state_dict(), tmp_path / "small.pt")
    model = load_model(tmp_path / "small.pt", architecture="mobilenet_v3_small")
    assert (model.classes, model.input_shape) == (9, (3, 224, 224))


def test_our_own_files_open_whatever_folder_they_are_in(tmp_path):
    module = resnet()
    model = Model(
        module,
        name="mine",
        input_shape=(3, 32, 32),
        architecture="cifar_resnet",
        arguments={"blocks": 1},
    )
    save_model(model, tmp_path / "mine.safetensors")
    assert load_model(tmp_path / "mine.safetensors").name == "mine"
    assert load_model(str(tmp_path / "mine.safetensors")).digest == model.digest


def test_our_own_architectures_open_by_name_at_the_size_they_are_for():
    alexnet = load_model("cifar_alexnet")
    assert (alexnet.input_shape, alexnet.classes) == ((3, 32, 32), 10)
    assert load_model("lenet5").input_shape == (1, 8, 8)
    with pytest.raises(ModelError, match="blocks"):
        load_model("cifar_resnet")


def test_names_give_untrained_networks_that_are_the_same_every_time():
    arguments = {"num_classes": 3}
    one = load_model("resnet18", arguments=arguments, input_shape=(3, 32, 32))
    two = load_model("torchvision:resnet18", arguments=arguments, input_shape=(3, 32, 32))
    assert one.digest == two.digest
    assert (one.classes, one.input_shape) == (3, (3, 32, 32))
    assert "random weights" in describe("resnet18")


def test_timm_names_bring_their_own_preprocessing():
    model = load_model("timm:test_resnet")
    assert model.input_shape[0] == 3
    assert len(model.mean) == len(model.std) == 3
    assert model.architecture == "timm:test_resnet"


def one_sentence(caught):
    text = str(caught.value).partition(f"\n\n{EXPORT_ADVICE}")[0]
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_a_text_file_called_pt_gives_one_sentence(tmp_path):
    (tmp_path / "notes.pt").write_text("these are not the weights you are looking for")
    with pytest.raises(ModelError, match=r"notes\.pt is not a PyTorch file") as caught:
        load_model(tmp_path / "notes.pt")
    one_sentence(caught)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.99])
def test_a_file_that_was_cut_off_gives_one_sentence(tmp_path, new_format, part):
    path = tmp_path / "cut.pt"
    torch.save(resnet().state_dict(), path, _use_new_zipfile_serialization=new_format)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ModelError, match="damaged or incomplete") as caught:
        load_model(path)
    one_sentence(caught)


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("trap-was-run"),)


@pytest.mark.parametrize("kind", ["pickle", "torch", "module"])
def test_a_file_with_code_is_refused_and_its_code_not_run(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trap.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"conv1.weight": Trap()}))
    else:
        torch.save(resnet() if kind == "module" else {"conv1.weight": Trap()}, path)
    with pytest.raises(ModelError, match="never run here") as caught:
        load_model(path)
    one_sentence(caught)
    assert not (tmp_path / "trap-was-run").exists()


def test_weights_of_another_architecture_name_what_differs_and_the_nearest(tmp_path):
    state = resnet().state_dict()
    state["attention.weight"] = state.pop("layer3.0.bn2.bias")
    torch.save(state, tmp_path / "odd.pt")
    with pytest.raises(ModelError, match="nearest is cifar_resnet with blocks = 1") as caught:
        load_model(tmp_path / "odd.pt")
    text = one_sentence(caught)
    assert "missing: layer3.0.bn2.bias" in text
    assert "unexpected: attention.weight" in text


def test_weights_that_belong_to_another_architecture_than_asked_say_to_which(tmp_path):
    torch.save(resnet().state_dict(), tmp_path / "resnet.pt")
    with pytest.raises(ModelError, match=r"do not fit lenet5.*They fit cifar_resnet") as caught:
        load_model(tmp_path / "resnet.pt", architecture="lenet5")
    assert "more" in one_sentence(caught)
    with pytest.raises(ModelError, match="do not fit cifar_resnet with blocks = 2"):
        load_model(tmp_path / "resnet.pt", architecture="cifar_resnet", arguments={"blocks": 2})


def test_a_network_without_convolution_gives_one_sentence(tmp_path):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    torch.save(plain.state_dict(), tmp_path / "linear.pt")
    with pytest.raises(ModelError, match="no 2-D convolution") as caught:
        load_model(tmp_path / "linear.pt")
    one_sentence(caught)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {}}, torch.zeros(3)])
def test_a_file_without_a_state_dict_gives_one_sentence(tmp_path, content):
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(ModelError, match="contains no state dict"):
        load_model(tmp_path / "odd.pt")


def test_a_file_that_cannot_be_opened_shows_the_lines_that_write_one_that_can(tmp_path):
    (tmp_path / "notes.pt").write_text("these are not the weights you are looking for")
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "notes.pt")
    for line in EXPORT_LINES.splitlines():
        assert f"\n    {line}" in str(caught.value)
    model = build.build("cifar_resnet", {"blocks": 1})
    names = {"torch": torch, "model": model}
    lines = EXPORT_LINES.replace("224", "32").replace("model.pt2", str(tmp_path / "model.pt2"))
    exec(lines, names)  # as a person runs them
    assert load_model(tmp_path / "model.pt2").classes == 10


@pytest.mark.parametrize(
    "name", ["nonsense", "timm:nonsense", "torchvision:nonsense", "a/b.pt", "~no-such-person/b.pt"]
)
def test_an_unknown_name_gives_one_sentence(name):
    with pytest.raises(ModelError) as caught:
        load_model(name)
    assert name.rpartition(":")[2] in one_sentence(caught)


def test_an_input_shape_that_does_not_fit_gives_one_sentence(tmp_path):
    torch.save(build.build("lenet5", {}).state_dict(), tmp_path / "lenet.pt")
    for shape in ((1, 9, 40), (3, 8, 8), (1, 10**6, 10**6)):
        with pytest.raises(ModelError, match="input shape") as caught:
            load_model(tmp_path / "lenet.pt", input_shape=shape)
        one_sentence(caught)


def test_a_sample_opens_by_its_name(tmp_path, monkeypatch):
    model = Model(
        build.build("lenet5", {}), name="tiny", input_shape=(1, 8, 8), architecture="lenet5"
    )
    save_model(model, tmp_path / "tiny.safetensors")
    (tmp_path / "tiny.json").write_text('{"title": "Tiny"}')
    monkeypatch.setattr(shelf, "FOLDER", tmp_path)
    assert load_model("tiny").digest == model.digest
    assert describe("tiny") == "The sample network 'Tiny'."


def test_weights_of_absurd_sizes_give_one_sentence(tmp_path):
    state = {"conv1.weight": torch.zeros(1, 1, 1, 1), "fc.weight": torch.zeros(200_000, 1)}
    torch.save(state, tmp_path / "wide.pt")
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "wide.pt")
    one_sentence(caught)


def test_odd_tensors_give_one_sentence(tmp_path):
    state = resnet().state_dict()
    state["linear.weight"] = state["linear.weight"].to_sparse()
    torch.save(state, tmp_path / "sparse.pt")
    with pytest.raises(ModelError, match="sparse, complex or quantized") as caught:
        load_model(tmp_path / "sparse.pt")
    one_sentence(caught)
