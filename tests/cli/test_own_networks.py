"""Networks of own code come in as .pt2 or by import, and go out as .pt2."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from tests.shell import call, value

CODE = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.b, self.fc = nn.Conv2d(32, 24, 3, padding=1), nn.Linear(24, 10)

    def forward(self, images):
        maps = torch.relu(self.b(torch.relu(self.norm(self.a(images)))))
        return self.fc(maps.mean((2, 3)))

def wrong():
    raise RuntimeError("no licence")
"""


@pytest.fixture(autouse=True)
def _workspace(shell, monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "own_small", raising=False)
    Path("own_small.py").write_text(CODE)


def weights(name="weights.pt", **changes):
    namespace: dict = {}
    exec(CODE, namespace)
    torch.manual_seed(0)
    module = namespace["Small"]().eval()
    torch.save({**module.state_dict(), **changes}, name)
    return module


def test_own_code_is_imported_pruned_tuned_and_exported():
    module = weights()
    imported = value("import", "own_small:Small", "--weights", "weights.pt", "--input", "1x8x8")
    assert imported["name"] == "Small"
    assert "evaluation mode" in imported["notes"][0]
    digest = imported["digest"]
    call("export", digest, "--pt2", "whole.pt2")
    images = torch.randn(3, 1, 8, 8)
    program = torch.export.load("whole.pt2").module()
    assert torch.allclose(program(images), module(images), atol=1e-5)
    assert value("import", "whole.pt2")["digest"] == digest

    call("plan", digest, "--target", "0.3", "-o", "plan.json")
    call("prune", "plan.json", "--data", "digits", "-o", "slim.safetensors")
    words = ["--teacher", digest, "--data", "digits", "--run", "tuned", "--epochs", "1"]
    call("finetune", "slim.safetensors", *words)
    student = value("runs", "show", "tuned")["student"]
    exported = value("export", student, "--pt2", "slim.pt2", "--onnx", "slim.onnx")
    assert all(file["difference"] <= 1e-4 for file in exported.values())
    again = value("measure", "slim.pt2", "--data", "digits")
    assert again["measured"] == value("measure", student, "--data", "digits")["measured"]


def test_own_code_that_fails_gives_one_sentence():
    weights("odd.pt", extra=torch.zeros(1))
    for words, text in (
        (["own_small:Small", "--weights", "odd.pt"], "unexpected: extra"),
        (["own_small:wrong"], "RuntimeError: no licence"),
        (["own_small:nothing"], "has no attribute"),
        (["no_such_module:Small"], "No module named"),
        (["own_small:CODE_is_text"], "has no attribute"),
    ):
        result = call("import", *words, "--input", "1x8x8", status=1)
        assert text in result.stderr
    result = call("import", "own_small:Small", "--input", "3x8x8", status=1)
    assert "does not run" in result.stderr


def test_the_size_of_images_is_asked_for():
    assert "--input 3x32x32" in call("import", "own_small:Small", status=2).stderr
    assert "3x32x32" in call("import", "own_small:Small", "--input", "3x32", status=2).stderr


def test_networks_are_found_by_a_part_of_their_name():
    networks = value("models", "find", "lite0", "TIMM")
    assert {network["name"] for network in networks} == {
        "timm:efficientnet_lite0", "timm:tf_efficientnet_lite0",
    }  # fmt: skip
    assert "No network of torchvision or timm" in call("models", "find", "nothing-like-it").stdout


def test_pretrained_weights_that_do_not_exist_are_named():
    text = call("import", "torchvision:resnet18", "--pretrained", "V9", status=1).output
    assert "It has IMAGENET1K_V1" in text
    assert "models find PART" in call("import", "nets:nothing", "--pretrained", status=1).output
