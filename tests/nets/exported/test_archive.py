"""Damaged and hostile .pt2 files: one ModelError, and nothing in them is run."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch

import sfp_viz as sfp
from sfp_viz.nets.exported import archive
from sfp_viz.nets.exported.operations import operation
from tests.nets.exported.networks import Gated, drawn, write_pt2

CONSTANTS = "data/constants/model_constants_config.json"
WEIGHTS = "data/weights/model_weights_config.json"
MODEL = "models/model.json"


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("trap-was-run"),)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a good file by name without its root."""
    path = write_pt2(drawn(Gated), tmp_path_factory.mktemp("good") / "good.pt2")
    with zipfile.ZipFile(path) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def write(folder, members, *, root="bad/", method=zipfile.ZIP_STORED):
    path = folder / "bad.pt2"
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"{root}{name}", content)
    return path


def changed(members, name, change):
    """The members with the JSON of one of them changed in place."""
    content = json.loads(members[name])
    change(content)
    return {**members, name: json.dumps(content).encode()}


def refused(path, monkeypatch, tmp_path, match=None):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(sfp.ModelError, match=match) as caught:
        sfp.load_model(path)
    assert len(str(caught.value)) < 1200
    assert not (tmp_path / "trap-was-run").exists()


def pickled(with_torch):
    if not with_torch:
        return pickle.dumps(Trap())
    content = io.BytesIO()
    torch.save({"stem.weight": Trap()}, content)
    return content.getvalue()


@pytest.mark.parametrize("place", ["weights", "constants", "opaque", "custom", "legacy"])
def test_pickles_in_an_archive_are_never_loaded(tmp_path, monkeypatch, members, place):
    entry = {"is_param": False, "use_pickle": True, "tensor_meta": None}
    if place == "weights":
        members = changed(members, WEIGHTS, lambda c: c["config"]["stem.weight"].update(
            use_pickle=True))  # fmt: skip
        members["data/weights/weight_0"] = pickled(with_torch=True)
    elif place == "legacy":
        members = {**members, "data/weights/model.pt": pickled(with_torch=True)}
    else:
        name = {"constants": "tensor_0", "opaque": "opaque_obj_0", "custom": "custom_obj_0"}[place]
        members = changed(members, CONSTANTS, lambda c: c["config"].update(
            trap={**entry, "path_name": name}))  # fmt: skip
        members[f"data/constants/{name}"] = pickled(with_torch=place == "constants")
    refused(write(tmp_path, members), monkeypatch, tmp_path, "Python objects")


def test_sample_inputs_are_not_read(tmp_path, monkeypatch, members):
    members = {**members, "data/sample_inputs/model.pt": pickled(with_torch=False)}
    monkeypatch.chdir(tmp_path)
    assert sfp.load_model(write(tmp_path, members)).classes == 5
    assert not (tmp_path / "trap-was-run").exists()


def test_expressions_of_sizes_are_not_evaluated(tmp_path, monkeypatch, members):
    trap = "__import__('pathlib').Path('trap-was-run').touch() or s0"

    def plant(content):
        graph = content["graph_module"]["graph"]
        for size in graph["sym_int_values"].values():
            size["as_expr"]["expr_str"] = trap
        for facts in graph["tensor_values"].values():
            for size in facts["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = trap
        content["guards_code"] = [trap]

    monkeypatch.chdir(tmp_path)
    assert sfp.load_model(write(tmp_path, changed(members, MODEL, plant))).classes == 5
    assert not (tmp_path / "trap-was-run").exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.hub.load", "torch.load", "torch.ops.load_library", "torch.serialization.load",
        "torch.ops.aten.from_file.default", "torch.ops.aten.save.default", "math.__loader__",
        "_operator.attrgetter", "_operator.methodcaller", "builtins.eval", "os.system",
        "torch.ops.aten.relu.default.__globals__", "torch.ops.aten.__class__.default",
        "torch.ops.aten.relu.__class__", "torch.ops.higher_order.cond", "#ext:eval", "",
        "torch.ops.aten.as_strided.default", "torch.ops.aten.set_.source_Tensor",
        "torch.ops.prim.device.default", "torch.ops.aten.lstm.data",
        "torch.ops.aten.quantized_lstm.input", "torch.ops.aten.mkldnn_rnn_layer.default",
        "torch.ops.profiler._record_function_enter.default",
    ],
)  # fmt: skip
def test_only_operations_on_tensors_and_numbers_may_be_named(
    tmp_path, monkeypatch, members, target
):
    with pytest.raises(sfp.ModelError):
        operation(target.removeprefix("torch.ops."))

    def plant(content):
        relu = next(n for n in content["graph_module"]["graph"]["nodes"] if "relu" in n["target"])
        relu["target"] = target

    refused(write(tmp_path, changed(members, MODEL, plant)), monkeypatch, tmp_path)


def test_what_networks_use_may_be_named():
    for name in ("conv2d.default", "relu_.default", "view.default", "sym_size.int",
                 "einsum.default", "div.Tensor_mode", "pad.default",
                 "_softmax.default", "upsample_bilinear2d.vec",
                 "split_with_sizes.default", "__and__.Tensor"):  # fmt: skip
        assert callable(operation(f"aten.{name}"))


@pytest.mark.parametrize("name", [MODEL, WEIGHTS, CONSTANTS, "data/weights/weight_0"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"config": 3}', b"\xff\xfe"])
def test_members_of_another_content_give_an_error(tmp_path, monkeypatch, members, name, content):
    if (name, content) in ((WEIGHTS, b""),):
        return
    refused(write(tmp_path, {**members, name: content}), monkeypatch, tmp_path)


@pytest.mark.parametrize("name", [MODEL, WEIGHTS, CONSTANTS, "data/weights/weight_0"])
def test_missing_members_give_an_error(tmp_path, monkeypatch, members, name):
    members = {key: content for key, content in members.items() if key != name}
    refused(write(tmp_path, members), monkeypatch, tmp_path)


@pytest.mark.parametrize(
    "facts",
    [
        {"sizes": [{"as_int": 10**6}] * 4},
        {"sizes": [{"as_int": -1}, {"as_int": 3}, {"as_int": 3}, {"as_int": 3}]},
        {"strides": [{"as_int": 0}] * 4, "sizes": [{"as_int": 10**4}] * 4},
        {"storage_offset": {"as_int": 10**9}},
        {"storage_offset": {"as_int": -5}},
        {"dtype": 10},
        {"dtype": 999},
        {"sizes": []},
        {"sizes": "many"},
    ],
)
def test_weights_that_do_not_fit_their_bytes_are_refused(tmp_path, monkeypatch, members, facts):
    members = changed(members, WEIGHTS, lambda c: c["config"]["stem.weight"]["tensor_meta"].update(
        facts))  # fmt: skip
    refused(write(tmp_path, members), monkeypatch, tmp_path)


def test_archives_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch, members):
    monkeypatch.setattr(archive, "MOST_BYTES", 10_000_000)
    bomb = {**members, "data/weights/weight_0": bytes(11_000_000)}
    path = write(tmp_path, bomb, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    refused(path, monkeypatch, tmp_path, "unpacks to more than")
    monkeypatch.setattr(archive, "MOST_JSON", 1000)
    refused(write(tmp_path, members), monkeypatch, tmp_path, "up to 1,000 are read")
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 5)
    refused(write(tmp_path, members), monkeypatch, tmp_path, "unpacks to more than")


def test_a_size_that_lies_gives_an_error(tmp_path, monkeypatch, members):
    path = write(tmp_path, members, method=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"bad/data/weights/weight_0") - 46 + 24  # in the central directory
    content[at : at + 4] = struct.pack("<I", 8)
    path.write_bytes(content)
    refused(path, monkeypatch, tmp_path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_gives_an_error(tmp_path, monkeypatch, members, part):
    path = write(tmp_path, members)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    refused(path, monkeypatch, tmp_path)


@pytest.mark.parametrize(
    "name", ["forward", "__class__", "a'b", "stem\nprint(1)", "training", "_modules", "x.forward.y"]
)
def test_names_of_weights_that_torch_keeps_for_itself_are_refused(
    tmp_path, monkeypatch, members, name
):
    def rename(content):
        content["config"][f"{name}.weight"] = content["config"].pop("stem.weight")

    def plant(content):
        for spec in content["graph_module"]["signature"]["input_specs"]:
            if spec.get("parameter", {}).get("parameter_name") == "stem.weight":
                spec["parameter"]["parameter_name"] = f"{name}.weight"

    members = changed(changed(members, WEIGHTS, rename), MODEL, plant)
    refused(write(tmp_path, members), monkeypatch, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda node: node["inputs"][3]["arg"].update(as_ints=[10**7, 10**7]),
        lambda node: node["inputs"].clear(),
        lambda node: node["outputs"].clear(),
        lambda node: node["inputs"][0]["arg"]["as_tensor"].update(name="nobody"),
        lambda node: node["inputs"][0].update(arg={"as_graph": {"name": "g", "graph": {}}}),
        lambda node: node["inputs"][0].update(arg={"as_custom_obj": {"name": "g"}}),
        lambda node: node.update(target="torch.ops.aten.no_such_operation.default"),
        lambda node: node.update(target=None),
    ],
)
def test_steps_that_make_no_sense_give_an_error(tmp_path, monkeypatch, members, change):
    members = changed(members, MODEL, lambda c: change(next(
        n for n in c["graph_module"]["graph"]["nodes"] if "conv2d" in n["target"])))  # fmt: skip
    refused(write(tmp_path, members), monkeypatch, tmp_path)


def test_a_result_too_large_for_memory_is_found_before_it_is_made(tmp_path, monkeypatch, members):
    def plant(content):
        pool = next(n for n in content["graph_module"]["graph"]["nodes"]
                    if "adaptive_avg_pool" in n["target"])  # fmt: skip
        pool["inputs"][1]["arg"] = {"as_ints": [50_000, 50_000]}

    refused(write(tmp_path, changed(members, MODEL, plant)), monkeypatch, tmp_path, "up to")


def test_several_inputs_and_other_dimensions_are_named(tmp_path):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 8, 3)

        def forward(self, images, others):
            return self.conv(images).mean((2, 3)) + others

    program = torch.export.export(Two(), (torch.zeros(2, 3, 8, 8), torch.zeros(2, 8)))
    torch.export.save(program, tmp_path / "two.pt2")
    with pytest.raises(sfp.ModelError, match="takes 2 tensors"):
        sfp.load_model(tmp_path / "two.pt2")
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "flat.pt2")
    with pytest.raises(sfp.ModelError, match="input has 2 dimensions"):
        sfp.load_model(tmp_path / "flat.pt2")


@pytest.mark.filterwarnings("ignore:The tensor attributes self.line")  # torch.export's own
@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_recurrent_layers_run_where_their_sizes_fit_and_are_refused_elsewhere(tmp_path, kind):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 16, 3)
            self.line = kind(16, 8, 2, batch_first=True, bidirectional=True)
            self.fc = torch.nn.Linear(16, 5)

        def forward(self, images):
            maps = self.conv(images).relu().flatten(2).transpose(1, 2)
            return self.fc(self.line(maps)[0][:, -1])

    module = drawn(Recurrent)
    model = sfp.load_model(write_pt2(module, tmp_path / "any.pt2"))
    images = torch.randn(3, 3, 8, 8)
    assert torch.allclose(model.module(images), module(images), atol=1e-5)
    # torch's operators write beyond their memory where a state is of another number of images
    with pytest.raises(sfp.ModelError, match="exported for exactly 1 image"):
        sfp.load_model(write_pt2(module, tmp_path / "one.pt2", batch=1))
