"""Whatever goes wrong in a run: it stops with a sentence, nothing is half written, and it can go
on or be started anew with other settings."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RecipeError, RunError
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.launch.process import launch, request_cancel
from sfp_viz.runs.results.saved_network import save_network
from sfp_viz.runs.storage import history, launch_record
from sfp_viz.runs.storage.checkpoints import FILES, Checkpoints, read_newest
from sfp_viz.runs.storage.failures import DISK, failure_message
from sfp_viz.runs.storage.history import EPOCHS
from sfp_viz.runs.storage.state import PATIENCE
from sfp_viz.runs.work import heartbeat
from sfp_viz.runs.work.heartbeat import Heartbeat
from sfp_viz.runs.worker import main

SETTINGS = Distillation(
    epochs=3, batch_size=32, learning_rate=0.05, augmentation="shift", checkpoint_steps=2,
    train_images=256, test_images=100,
)  # fmt: skip
STEPS = 8  # of an epoch
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def run(new_run) -> Path:
    return new_run(settings=SETTINGS)


@pytest.fixture(scope="module")
def student(tmp_path_factory, network_file) -> bytes:
    """The network of an undisturbed run."""
    from sfp_viz.runs.create.training import create_run

    path = create_run(
        tmp_path_factory.mktemp("undisturbed"), start=network_file, teacher=network_file,
        settings=SETTINGS, data="digits", name="undisturbed",
    )  # fmt: skip
    assert main([str(path)]) == 0
    return read_run(path).student.read_bytes()


def stop_at(path: Path, monkeypatch, step: int) -> None:
    """Let the worker stop before the ``step``-th step that it does, from 1 on."""
    begun, count = Heartbeat.step, [0]

    def counted(self: Heartbeat) -> bool:
        count[0] += 1
        if count[0] == step:
            self.stop.set()
        return begun(self)

    with monkeypatch.context() as patch:
        patch.setattr(Heartbeat, "step", counted)
        assert main([str(path)]) == 0
    assert read_run(path).state == "cancelled"


def half_written(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.name.startswith(".")]


def test_a_full_disk_stops_the_run_with_a_sentence_and_it_can_go_on(run, student, monkeypatch):
    from sfp_viz.nets.training import checkpoint

    save, count = checkpoint.save_checkpoint, [0]

    def full(path: Path, *rest) -> None:
        count[0] += 1
        save(path, *rest)
        if count[0] == 6:
            path.write_bytes(path.read_bytes()[:100])
            raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", full)
        assert main([str(run)]) == 1
    failed = read_run(run)
    assert (failed.state, failed.trouble, failed.message) == ("failed", "disk", DISK)
    assert not half_written(run)
    kept = read_newest(run)
    assert kept is not None
    assert (kept.done, kept.step) == (1, 2)
    assert main([str(run)]) == 0
    assert read_run(run).student.read_bytes() == student


def test_where_not_even_a_new_file_fits_the_reason_is_still_told(run, monkeypatch):
    write = heartbeat.write_json

    def full(path: Path, value: dict, **more) -> None:
        if value["outcome"]:
            raise FULL
        write(path, value, **more)

    def nothing(*_, **__) -> None:
        raise FULL

    monkeypatch.setattr(heartbeat, "write_json", full)
    monkeypatch.setattr(Checkpoints, "save", nothing)
    assert main([str(run)]) == 1
    failed = read_run(run)
    assert (failed.state, failed.message) == ("failed", DISK)


def test_a_line_that_does_not_fit_leaves_the_history_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "points.jsonl"
    point = history.Point((1,), 2, 3.0)
    history.append(file, point)
    before = file.read_bytes()

    def full(number: int) -> None:
        raise FULL

    monkeypatch.setattr(history.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        history.append(file, point)
    assert file.read_bytes() == before


def test_a_line_that_fits_in_part_is_taken_back_whole(tmp_path):
    import resource

    file, epoch = tmp_path / EPOCHS, Epoch(1, 3, 0.5, 0.9, 0.9, 100, 2.0, 0.01, 900.0, 1.5)
    history.append(file, epoch)
    whole = file.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 150, before[1]))
    try:
        with pytest.raises(OSError):
            history.append(file, replace(epoch, epoch=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.read_bytes() == whole


def test_an_infinite_loss_stops_at_the_last_good_epoch_and_says_what_to_do(
    run, monkeypatch, tmp_path
):
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.measure import measure_accuracy
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.training.distill import Training

    train_step = Training._train_step

    def astray(self, chosen, weight):
        found = train_step(self, chosen, weight)
        return found * float("nan") if (self.done, self.step) == (1, 5) else found

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_train_step", astray)
        assert main([str(run)]) == 1
    failed = read_run(run)
    assert (failed.state, len(failed.epochs)) == ("failed", 1)
    assert "infinite in epoch 2" in failed.message
    assert "Lower the learning rate" in failed.message
    assert "epoch 1, the last good one" in failed.message
    saved = save_network(run, tmp_path / "kept.safetensors")
    assert (saved.epoch, saved.step, saved.accuracy) == (1, 0, failed.epochs[0].test_accuracy)
    images = load_data("digits", "test").first(SETTINGS.test_images)
    assert measure_accuracy(load_saved(saved.file), images).accuracy == saved.accuracy
    gentler = read_run(copy_with(run, learning_rate=0.01))
    assert gentler.settings == replace(SETTINGS, learning_rate=0.01)
    assert (gentler.state, gentler.facts["copy_of"]) == ("waiting", failed.id)
    for name in ("start.safetensors", "teacher.safetensors"):
        assert (gentler.path / name).read_bytes() == (run / name).read_bytes()


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=["python", "torch", "cuda", "system"],
)
def test_too_little_memory_is_said_so_and_half_the_batch_offered(run, monkeypatch, problem):
    from sfp_viz.nets.training.distill import Training

    def greedy(self, stop) -> None:
        raise problem

    monkeypatch.setattr(Training, "epoch", greedy)
    assert main([str(run)]) == 1
    failed = read_run(run)
    assert (failed.state, failed.trouble) == ("failed", "memory")
    assert "not enough memory for a batch size of 32" in failed.message
    assert "a batch size of 16" in failed.message
    assert read_run(copy_with(run, batch_size=16)).settings.batch_size == 16
    with pytest.raises(RecipeError, match=r"batch_size has to be .* 1 or more, not 0"):
        copy_with(run, batch_size=0)
    with pytest.raises(RunError, match="no such setting"):
        copy_with(run, size=3)


def test_an_error_behind_another_is_found():
    outer = RunError("The file cannot be written.")
    outer.__cause__ = FULL
    assert failure_message(outer) == DISK


@pytest.mark.parametrize("how", ["cut off", "a bit turned", "gone", "emptied"])
def test_a_broken_newest_checkpoint_gives_way_to_the_other(run, student, monkeypatch, how):
    stop_at(run, monkeypatch, STEPS + 4)  # with checkpoints of epoch 1, and of step 3 of epoch 2
    newest = read_newest(run)
    assert newest is not None
    assert (newest.done, newest.step) == (1, 3)
    content = newest.file.read_bytes()
    turned = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    newest.file.write_bytes({"cut off": content[:-9], "a bit turned": turned}.get(how, b""))
    if how == "gone":
        newest.file.unlink()
    other = read_newest(run)
    assert other is not None
    assert (other.done, other.step) == (1, 0)
    assert main([str(run)]) == 0
    assert read_run(run).student.read_bytes() == student


def test_without_a_valid_checkpoint_the_run_says_what_to_do(run, monkeypatch):
    stop_at(run, monkeypatch, STEPS + 4)
    for name in FILES:
        (run / name).write_bytes(b"nothing")
    assert main([str(run)]) == 1
    assert "Delete it to start the run from its first epoch" in read_run(run).message


def test_lost_lines_of_the_history_are_made_again_from_the_checkpoint_before(
    run, student, monkeypatch
):
    stop_at(run, monkeypatch, 2 * STEPS + 1)  # after two epochs, before a step of the third
    (run / EPOCHS).write_text((run / EPOCHS).read_text().splitlines(keepends=True)[0])
    assert main([str(run)]) == 0
    assert read_run(run).student.read_bytes() == student
    assert len(read_run(run).epochs) == 3


def test_the_checkpoint_of_the_last_whole_epoch_stays_until_the_next_is_whole(tmp_path):
    import torch

    kept = Checkpoints(tmp_path, epochs=9)
    for done, step in ((0, 2), (0, 4), (1, 0), (1, 2), (1, 4), (1, 6)):
        state = {"done": torch.tensor(done), "step": torch.tensor(step)}
        kept.save(state, {}, done=done, step=step)
        again = Checkpoints(tmp_path, epochs=9)
        assert again.last is not None
        assert (again.last.done, again.last.step) == (done, step)
    again.drop_begun()
    last = read_newest(tmp_path)
    assert last is not None
    assert (last.done, last.step) == (1, 0)


def test_a_start_that_fails_is_told_and_does_not_wait_for_ever(run, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(process, "start_process", broken)
        with pytest.raises(RunError, match="temporarily unavailable"):
            launch(run)
    lost = read_run(run)
    assert lost.state == "lost"
    assert "temporarily unavailable" in lost.message
    with monkeypatch.context() as patch:
        patch.setattr(process, "start_process", lambda *_, **__: 2**22 + 1)  # no such process
        launch(run)
    assert "did not start" in read_run(run).message


def test_a_run_that_was_laid_out_but_never_started_does_not_wait_for_ever(run, monkeypatch):
    def full(*_, **__):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(launch_record, "write_json", full)
        with pytest.raises(RunError, match="disk is full"):
            launch(run)
    later = read_run(run, now=time.time() + PATIENCE + 1)
    assert later.state == "lost"
    assert "never started" in later.message


def test_a_removed_folder_is_said_so_and_its_worker_ends(run):
    import psutil

    number = launch(run)
    until = time.monotonic() + 60
    while read_run(run).phase != "training" and time.monotonic() < until:
        time.sleep(0.005)
    run.rename(run.with_name("aside"))
    with pytest.raises(RunError, match="There is no run"):
        read_run(run)
    with pytest.raises(RunError, match="folder is gone"):
        request_cancel(run)
    until = time.monotonic() + 20
    while psutil.pid_exists(number) and time.monotonic() < until:
        time.sleep(0.02)
    assert not psutil.pid_exists(number)
