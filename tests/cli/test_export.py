"""`sfp-viz export` writes each form, and what it writes opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell import NET, call, value


@pytest.fixture(autouse=True)
def _workspace(shell) -> None:
    """Each test has a folder and a workspace of its own."""


def test_a_state_dict_is_written_with_the_code_that_loads_it():
    import torch

    call("plan", NET, "--target", "0.5", "-o", "plan.json")
    call("prune", "plan.json", "--no-measure", "-o", "slim.safetensors")
    files = ("weights.pt", "network.py")
    words = value("export", "slim.safetensors", "--state-dict", files[0], "--code", files[1])
    assert words[files[0]]["difference"] <= 1e-6
    namespace: dict = {}
    exec(Path(files[1]).read_text(), namespace)
    network = namespace["load_network"](files[0])
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert "write it with --state-dict" in call("export", NET, "--code", "a.py", status=2).stderr
    assert "End the name in" in call("export", NET, "--state-dict", "a.txt", status=1).stderr


def test_int8_is_measured_beside_float32_and_every_file_is_there():
    import onnx

    call("plan", NET, "--target", "0.5", "-o", "plan.json")
    call("prune", "plan.json", "--no-measure", "-o", "slim.safetensors")
    words = value(
        "export", "slim.safetensors", "--onnx", "slim.onnx", "--onnx-int8", "int8.onnx",
        "--images", "200", "--pt2", "slim.pt2", "--node-data", "layers", "--plan", "p.json",
    )  # fmt: skip
    assert words["slim.onnx"]["difference"] <= 1e-5
    small, whole = words["int8.onnx"]["int8"], words["int8.onnx"]["float32"]
    assert (small["images"], small["data"]) == (whole["images"], whole["data"])
    assert small["images"] == 200
    assert small["interval"][0] < small["accuracy"] < small["interval"][1]
    assert small["latency_ms"] > 0
    assert small["bytes"] == words["int8.onnx"]["bytes"] < whole["bytes"]
    onnx.checker.check_model("int8.onnx")
    assert {"layers/macs.json", "layers/redundancy.json", "layers/kept_share.json"} < set(words)
    assert Path("p.json").read_text() == Path("plan.json").read_text()
    assert "measured in onnxruntime" in call(
        "export", "slim.safetensors", "--onnx-int8", "a.onnx", "--images", "100"
    ).output  # fmt: skip
