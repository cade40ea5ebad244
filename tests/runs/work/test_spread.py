"""One run on several processes, on the CPU: the loss of one process, and no process left over."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.files import read_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch.process import launch, watch
from sfp_viz.runs.resume import resume
from sfp_viz.runs.work.spread import MODULE
from sfp_viz.runs.worker import main

TWO = Distillation(
    epochs=3,
    batch_size=32,
    learning_rate=0.05,
    augmentation="none",
    train_images=201,  # batches that cannot be halved, the last one of 9 images
    test_images=100,
    schedule="adaptive",
    ema=0.9,
    clip=1.0,
    processes=2,
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


def others(path: Path) -> list[psutil.Process]:
    """The processes besides the worker that are at a run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if MODULE in words and words[-1] == str(path) and process.info["status"] != "zombie":
            found.append(process)
    return found


def until(path: Path, wanted, seconds: float = 120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run = read_run(path)
        if wanted(run):
            return run
        time.sleep(0.01)
    raise AssertionError(f"{run.state}: {run.message}\n{(path / 'log.txt').read_text()}")


def test_two_processes_have_the_loss_of_one(new_run):
    path, alone = new_run("two", TWO), new_run("alone", replace(TWO, processes=1))
    launch(path)
    assert main([str(alone)]) == 0
    run, expected = list(watch(path, every=0.05))[-1], read_run(alone)
    assert (run.state, run.message) == ("finished", ""), (path / "log.txt").read_text()
    assert len(run.epochs) == 3
    for ours, theirs in zip(run.epochs, expected.epochs, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.temperature == pytest.approx(theirs.temperature, rel=1e-4)
        assert ours.train_accuracy == pytest.approx(theirs.train_accuracy)
    assert run.epochs[0].loss != run.epochs[2].loss
    assert read_json(path / "worker.json")["processes"] == 2
    assert not others(path)


def test_that_statistics_are_per_process_is_said_while_it_trains_and_afterwards(new_run, tmp_path):
    import torch

    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.zoo.architectures import build

    torch.manual_seed(0)
    arguments, file = {"blocks": 1, "channels": 1}, tmp_path / "normed.safetensors"
    normed = Model(
        build("cifar_resnet", arguments), "normed", (1, 8, 8), architecture="cifar_resnet",
        arguments=arguments, data="digits",
    )  # fmt: skip
    save_model(normed, file)
    settings = replace(TWO, epochs=1, train_images=64, test_images=20)
    path = new_run("normed", settings, start=file, teacher=file)
    launch(path)
    run = until(path, lambda run: run.over)
    assert run.state == "finished", run.message
    assert "BatchNorm's statistics are per process: each of the 2" in run.message


@pytest.mark.slow
def test_a_run_of_two_processes_that_was_paused_ends_like_an_undisturbed_one(new_run):
    settings = replace(TWO, epochs=60, augmentation="shift", checkpoint_steps=3)
    whole, path = new_run("whole", settings), new_run("paused", settings)
    launch(whole)
    assert list(watch(whole))[-1].state == "finished"
    launch(path)
    until(path, lambda run: len(run.epochs) >= 2)
    (path / "request").write_text("pause\n")
    paused = until(path, lambda run: run.over)
    assert paused.state == "paused"
    assert len(paused.epochs) < 60
    assert not others(path)
    resume(path)
    run = until(path, lambda run: run.over)
    assert run.state == "finished"
    assert run.student.read_bytes() == read_run(whole).student.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_when_a_process_dies_the_run_fails_with_a_sentence_and_none_is_left(new_run, number):
    path = new_run(settings=replace(TWO, epochs=4000))
    launch(path)
    until(path, lambda run: len(run.epochs) >= 1)
    (other,) = others(path)
    other.send_signal(number)
    if number == signal.SIGSTOP:  # it hangs: the others wait, and a cancel ends them all
        (path / "request").write_text("cancel\n")
        assert until(path, lambda run: run.over).state == "cancelled"
    else:
        run = until(path, lambda run: run.over)
        assert run.state == "failed"
        assert "One of the 2 processes of this training was ended by signal 9" in run.message
    assert not others(path)


@pytest.mark.slow
def test_a_killed_worker_takes_the_others_along_and_can_be_resumed(new_run):
    path = new_run(settings=replace(TWO, epochs=4000))
    launch(path)
    until(path, lambda run: len(run.epochs) >= 1)
    assert others(path)
    os.kill(read_json(path / "worker.json")["pid"], signal.SIGKILL)
    lost = until(path, lambda run: run.over)
    assert lost.state == "lost"
    end = time.monotonic() + 10
    while others(path) and time.monotonic() < end:
        time.sleep(0.05)
    assert not others(path)
    resume(path)
    until(path, lambda run: len(run.epochs) > len(lost.epochs))
