import warnings

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.export import onnx_file
from sfp_viz.nets.export.onnx_file import export_onnx, parity
from sfp_viz.nets.exported.from_module import quiet
from sfp_viz.nets.io.exported_file import export_torch
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo.build import build
from tests.tiny import randomize


def lenet():
    return Model(randomize(build("lenet5", {})), name="lenet", input_shape=(1, 8, 8))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "lenet.onnx"
    return path, export_onnx(lenet(), path)


def test_the_onnx_file_computes_what_the_network_computes(written):
    path, difference = written
    assert 0 <= difference < 1e-5
    assert parity(lenet(), path) == difference
    assert [file.name for file in path.parent.iterdir()] == ["lenet.onnx"]


def test_the_onnx_file_takes_batches_of_any_size(written):
    path, _ = written
    onnx.checker.check_model(str(path))
    graph = onnx.load(path).graph
    (images,), (logits,) = graph.input, graph.output
    assert (images.name, logits.name) == ("images", "logits")
    assert images.type.tensor_type.shape.dim[0].dim_param
    assert [d.dim_value for d in images.type.tensor_type.shape.dim][1:] == [1, 8, 8]


def test_a_file_that_differs_from_its_network_is_found_out(written):
    path, _ = written
    other = lenet()
    with torch.no_grad():
        other.module.fc2.bias += 0.25
    with pytest.raises(ModelError, match=r"ONNX file .* differs .* with a batch of 1, more than"):
        parity(other, path)


@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_a_file_that_differs_is_not_kept(tmp_path, monkeypatch, factor):
    def wrong(session):
        return lambda images: [factor * right(session)(images)[0]]

    right = onnx_file.runner
    monkeypatch.setattr(onnx_file, "runner", wrong)
    with pytest.raises(ModelError, match=r"differs from the network by (0\.01|nan)"):
        export_onnx(lenet(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_run_at_a_batch_is_not_kept(tmp_path, monkeypatch):
    def small(session):
        def run(images):
            if len(images) > 3:
                raise RuntimeError("out of memory\nand more")
            return right(session)(images)

        return run

    right = onnx_file.runner
    monkeypatch.setattr(onnx_file, "runner", small)
    with pytest.raises(ModelError, match=r"with a batch of 32: out of memory\. It was not kept"):
        export_onnx(lenet(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_the_exported_program_reloads_without_a_difference(tmp_path):
    assert export_torch(lenet(), tmp_path / "lenet.pt2") == 0
    assert [file.name for file in tmp_path.iterdir()] == ["lenet.pt2"]
    program = torch.export.load(tmp_path / "lenet.pt2").module()
    assert program(torch.zeros(5, 1, 8, 8)).shape == (5, 10)


class Moody(nn.Module):
    """Looks at its values to decide what to do, which no exporter can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, images):
        maps = self.conv(images).mean((2, 3))
        return maps if float(maps.sum()) > 0 else -maps


@pytest.mark.parametrize("write", [export_onnx, export_torch])
def test_a_network_that_cannot_be_exported_gives_one_sentence(tmp_path, write):
    model = Model(Moody(), name="moody", input_shape=(1, 8, 8), classes=2)
    with pytest.raises(ModelError, match="'moody' cannot be exported") as caught:
        write(model, tmp_path / "moody")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_network_in_memory_is_left_as_it_was(tmp_path):
    model = lenet()
    model.module.train()
    export_torch(model, tmp_path / "a.pt2")
    assert model.module.training
    assert model.with_module(model.module).digest == model.digest


def test_only_the_exporters_own_deprecations_are_silenced():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet():
            warnings.warn_explicit("old", DeprecationWarning, "torch/x.py", 1, "torch.onnx.x")
            with pytest.raises(UserWarning):
                warnings.warn_explicit("look", UserWarning, "torch/x.py", 1, "torch.onnx.x")
            with pytest.raises(DeprecationWarning):
                warnings.warn_explicit("old", DeprecationWarning, "ours.py", 1, "sfp_viz.nets.x")


@pytest.mark.slow
def test_a_residual_network_is_exported_too(tmp_path):
    module = randomize(build("cifar_resnet", {"blocks": 1, "shortcut": "pad"}))
    model = Model(module, name="resnet", input_shape=(3, 32, 32))
    assert export_onnx(model, tmp_path / "resnet.onnx") < 1e-4
    assert np.isclose(export_torch(model, tmp_path / "resnet.pt2"), 0)


class Heads(nn.Module):
    """Boxes and class scores of each position, as a dict or a tuple."""

    def __init__(self, kind) -> None:
        super().__init__()
        self.kind = kind
        self.body, self.box, self.cls = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 6, 1)

    def forward(self, images):
        maps = self.body(images).relu()
        outputs = {"box": self.box(maps), "cls": self.cls(maps)}
        if self.kind is list:
            return {"maps": list(outputs.values()), "images": outputs["cls"].argmax(1)}
        return outputs if self.kind is dict else tuple(outputs.values())


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (dict, ["box", "cls"]),
        (tuple, ["output_0", "output_1"]),
        (list, ["maps_0", "maps_1", "output_images"]),
    ],
)
def test_several_outputs_are_compared_and_named(tmp_path, kind, names):
    model = Model(randomize(Heads(kind)), name="heads", input_shape=(3, 16, 16))
    assert export_onnx(model, tmp_path / "heads.onnx") < 1e-5
    graph = onnx.load(tmp_path / "heads.onnx").graph
    assert [output.name for output in graph.output] == names
