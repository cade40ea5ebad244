"""ONNX in int8: written with calibration images, and measured beside the float32 file."""

import numpy as np
import onnx
import pytest

from sfp_viz.errors import DataError, ModelError
from sfp_viz.nets.data.datasets import Images, load_data
from sfp_viz.nets.export import onnx_int8
from sfp_viz.nets.export.onnx_file import onnx_session
from sfp_viz.nets.export.onnx_int8 import export_onnx_int8
from sfp_viz.nets.io.load import load_model


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", "train"), load_data("digits", "test")


def test_the_int8_file_is_measured_beside_the_float_one(tmp_path, digits):
    path, lines = tmp_path / "int8.onnx", []
    model = load_model("lenet5_digits")
    report = export_onnx_int8(model, path, *digits, progress=lines.append)
    whole, small = report.measured
    assert whole.accuracy == pytest.approx(small.accuracy, abs=0.02)
    assert (whole.images, whole.data) == (small.images, small.data) == (360, "digits, test")
    assert small.interval[0] < small.accuracy < small.interval[1]
    assert whole.latency_ms > 0 < small.latency_ms
    assert report.bytes[1] == path.stat().st_size < report.bytes[0] / 2
    assert 0 < report.difference < 0.1
    assert report.calibration == 256
    assert any(line.startswith("Calibrating: 224 of 256") for line in lines)
    assert any(line.startswith("Measuring the int8 file: 256 of 360") for line in lines)
    assert [file.name for file in tmp_path.iterdir()] == ["int8.onnx"]


def test_the_int8_file_holds_int8_weights_with_one_scale_a_channel(tmp_path, digits):
    path = tmp_path / "int8.onnx"
    report = export_onnx_int8(load_model("lenet5_digits"), path, digits[0], count=16)
    assert report.measured[1].accuracy is None
    graph = onnx.load(path).graph
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in graph.node}
    weights = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    assert any(array.dtype == np.int8 and array.shape == (48, 20, 3, 3) for array in weights)
    assert any(array.dtype == np.float32 and array.shape == (48,) for array in weights)
    session = onnx_session(path)
    for batch in (1, 5, 32):
        images = np.zeros((batch, 1, 8, 8), np.float32)
        assert session.run(None, {"images": images})[0].shape == (batch, 10)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("step", ["Exporting", "Calibrating", "Measuring the int8"])
def test_work_that_is_stopped_leaves_no_file(tmp_path, digits, step):
    def progress(line):
        if line.startswith(step):
            raise Stopped

    with pytest.raises(Stopped):
        export_onnx_int8(
            load_model("lenet5_digits"), tmp_path / "a.onnx", *digits, progress=progress
        )
    assert not list(tmp_path.iterdir())


def test_images_of_another_size_are_refused_before_any_work(tmp_path):
    images = Images("large", "train", np.zeros((4, 3, 16, 16), np.uint8), np.zeros(4, int))
    with pytest.raises(DataError, match="Calibration of 'lenet5_digits' needs"):
        export_onnx_int8(load_model("lenet5_digits"), tmp_path / "a.onnx", images)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(onnx_int8, "runner", lambda session: lambda images: [-images[:, 0, 0] * 99])
    with pytest.raises(ModelError, match="int8 file of 'lenet5_digits' differs"):
        export_onnx_int8(load_model("lenet5_digits"), tmp_path / "a.onnx", *digits)
    assert not list(tmp_path.iterdir())
