"""Steering runs from a shell: list, pause, save, copy, delete; no process is started here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sfp_viz import cli
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import home, read_run
from sfp_viz.runs.work.heartbeat import Heartbeat
from sfp_viz.runs.worker import main

SETTINGS = Distillation(
    epochs=2, batch_size=32, augmentation="shift", train_images=96, test_images=50,
)  # fmt: skip


def call(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(cli.main, [str(w) for w in words])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A run of the digits' LeNet-5 that was asked to pause in its second epoch."""
    from sfp_viz.cli.options.arguments import find_model
    from sfp_viz.nets.io.model_file import save_model

    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "home"))
    file = tmp_path / "lenet5.safetensors"
    save_model(find_model("lenet5_digits"), file)
    path = create_run(
        home(), start=file, teacher=file, settings=SETTINGS, data="digits", name="mine"
    )
    step, count = Heartbeat.step, [0]

    def pausing(self: Heartbeat) -> bool:
        count[0] += 1
        if count[0] == 5:
            (path / "request").write_text("pause\n")
            self.stop.set()
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Heartbeat, "step", pausing)
        assert main([str(path)]) == 0
    return path


def test_a_paused_run_is_listed_saved_copied_and_deleted(run, tmp_path, monkeypatch):
    (listed,) = json.loads(call("runs", "list", "--json").stdout)
    assert (listed["run"], listed["state"], listed["epochs"]) == (run.name, "paused", 1)
    assert "in epoch 2, after step 1 of 3" in call("runs", "show", run.name).output
    assert json.loads(call("runs", "pause", run.name, "--json").stdout)["state"] == "paused"

    saved = call("runs", "save", run.name, "-o", tmp_path / "k.st")
    assert "in the middle of epoch 2 of 2, after 1 steps of it" in saved.output
    value = json.loads(call("runs", "save", run.name, "-o", tmp_path / "k.st", "--json").stdout)
    assert (value["epoch"], value["step"], value["accuracy"]) == (1, 1, None)

    monkeypatch.setattr("sfp_viz.runs.queue.enqueue", lambda path, **_: read_run(path))
    words = ["runs", "copy", run.name, "--batch-size", 16, "--json"]
    copied = json.loads(call(*words).stdout)
    assert (copied["settings"]["batch_size"], copied["settings"]["epochs"]) == (16, 2)
    assert copied["run"] != run.name

    call("runs", "delete", run.name, "--yes")
    assert not run.exists()
    (left,) = json.loads(call("runs", "list", "--json").stdout)
    assert left["run"] == copied["run"]


def test_a_finished_run_is_saved_as_it_is_and_there_is_nothing_to_pause(run, tmp_path):
    (run / "request").unlink()
    assert main([str(run)]) == 0
    text = call("runs", "save", run.name, "-o", tmp_path / "k.safetensors").output
    assert "after epoch 2 of 2" in text
    assert "measured on 50 test images" in text
    assert (tmp_path / "k.safetensors").read_bytes() == read_run(run).student.read_bytes()
    assert "nothing to pause" in call("runs", "pause", run.name, status=1).stderr


@pytest.mark.parametrize("command", ["list", "show", "pause", "resume", "cancel", "save", "copy"])
def test_each_command_says_what_it_is_for(command):
    text = call("runs", command, "--help").output
    assert "--json" in text
    assert len(text.split("Options:")[0]) > 60
