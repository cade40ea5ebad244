"""What a shell is told of how a cut network was made up for what went."""

from __future__ import annotations

import pytest
import torch

from tests.shell import NET, call, value


@pytest.fixture(autouse=True)
def _workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)


def plan(kind: str) -> None:
    call("plan", NET, "--target", "0.5", "--set", f"compensation={kind}", "-o", "plan.json")


def test_without_images_the_shell_names_the_repair_that_was_left_out_and_how_to_get_it():
    plan("lsq_window")
    text = call("prune", "plan.json", "-o", "slim.safetensors").stdout
    assert "'lsq_window' needs images, and none were given" in text
    assert "prune with --data" in text
    told = value("prune", "plan.json", "-o", "slim.safetensors")["repair"]
    assert told["asked"] == "lsq_window"
    assert told["layers"] == []
    assert "'lsq_window' needs images" in told["notes"][0]


@pytest.mark.parametrize("kind", ["none", "merge"])
def test_a_repair_that_needs_no_images_is_not_called_left_out(kind):
    plan(kind)
    text = call("prune", "plan.json", "-o", "slim.safetensors").stdout
    assert "needs images" not in text
    assert "BatchNorm" not in text  # the network has none


def test_without_images_batch_norm_is_said_to_keep_its_statistics():
    call("plan", "resnet20_cifar10", "--target", "0.3", "-o", "plan.json")
    text = call("prune", "plan.json", "-o", "slim.safetensors").stdout
    assert "BatchNorm keeps its old statistics" in text


def test_each_refitted_layer_has_its_errors_on_images_of_the_fit_and_on_others():
    plan("lsq_window")
    words = ("prune", "plan.json", "--data", "digits", "-o", "slim.safetensors")
    text = call(*words).stdout
    assert "128 images of the fit" in text
    assert "128 images not of the fit" in text
    layers = {layer["layer"]: layer for layer in value(*words)["repair"]["layers"]}
    assert "conv2" in layers
    for layer in layers.values():
        sums, found = layer["computed"], layer["measured"]
        assert sums["after"] + sums["penalty"] <= sums["before"]
        for side in ("seen", "unseen"):
            assert found[side]["after"] < found[side]["before"]


def test_notes_of_the_repair_are_said_when_nothing_is_measured():
    plan("lsq_window")
    words = ("prune", "plan.json", "--data", "digits", "--no-measure", "-o", "slim.safetensors")
    told = value(*words)
    assert told["measured"] is None
    assert [note for note in told["repair"]["notes"] if note.startswith("'fc1'")]
    assert told["repair"]["layers"]
    assert "refit error" not in call(*words).stdout


def test_analyze_counts_dead_filters_and_warns_of_a_dead_layer():
    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.io.model_file import save_model

    model = load_model(NET)
    with torch.no_grad():
        model.module.conv1.weight[[1, 4]] = 0
        model.module.conv2.weight[:] = 0
    save_model(model.with_module(model.module), "dying.safetensors")
    told = value("analyze", "dying.safetensors", "--target", "0.2")
    assert [(g["group"], g["dead"]) for g in told["groups"]] == [
        ("conv1", 2), ("conv2", 48), ("fc1", 0),
    ]  # fmt: skip
    assert told["dead_layers"] == ["conv2"]
    text = call("analyze", "dying.safetensors", "--target", "0.2").stdout
    assert "Every filter of 'conv2' is dead" in text
    assert "conv1 2 of 20" in text
    assert "dead" not in call("analyze", NET).stdout
