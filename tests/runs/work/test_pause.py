"""Pause, resume, cancel: real processes that stop at a step and go on from it, to the same bytes;
and the run that goes on when whoever started it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.files import read_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch.process import cancel, launch, pause, request_cancel, request_pause, watch
from sfp_viz.runs.results.saved_network import save_network
from sfp_viz.runs.resume import resume
from sfp_viz.runs.storage.checkpoints import read_newest
from sfp_viz.runs.storage.processes import ROOT
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.work.heartbeat import Heartbeat
from sfp_viz.runs.worker import main

SETTINGS = Distillation(
    epochs=4, batch_size=16, learning_rate=0.05, augmentation="shift", checkpoint_steps=0,
    test_images=100,
)  # fmt: skip
LONG = Distillation(epochs=4000, batch_size=16, augmentation="shift", test_images=100)
STARTER = """
import os, signal, sys
from pathlib import Path
from sfp_viz.runs.launch.process import launch
launch(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""
# In a worker: another process that it starts, as one of several that train together.
CHILD = """
import subprocess
from sfp_viz.runs.work.heartbeat import Heartbeat
start = Heartbeat.start
def with_child(self):
    start(self)
    child = subprocess.Popen(["sleep", "600"])
    (self._folder / "child").write_text(str(child.pid))
Heartbeat.start = with_child
"""


def until(path: Path, wanted: Callable[[Run], bool], seconds: float = 120) -> Run:
    """The first snapshot of a run that is as ``wanted``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if wanted(run := read_run(path)):
            return run
        time.sleep(0.002)
    raise AssertionError(f"{run.state}: {run.message}")


def gone(number: int) -> bool:
    """Whether a process ends within some seconds, at most waiting to be collected."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if psutil.Process(number).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_a_run_paused_again_and_again_ends_with_the_same_bytes(new_run, tmp_path):
    settings = replace(SETTINGS, epochs=6)  # enough that it is not over before it is asked
    alone, path = new_run(settings=settings), new_run(settings=settings)
    launch(alone)
    assert list(watch(alone, every=0.02))[-1].state == "finished"
    number, positions = launch(path), []
    for epochs in (0, 1, 2):
        until(path, lambda run, n=epochs: run.phase == "training" and run.progress * 6 > n + 0.05)
        run = pause(path)
        assert run.state == "paused", run.message
        assert gone(number)
        kept = read_newest(path)
        assert kept is not None
        positions.append((kept.done, kept.step))
        if kept.step:  # by chance it comes between two epochs, where a checkpoint is due anyway
            assert f"epoch {kept.done + 1}, after step {kept.step} of 90" in run.message
        assert run.progress == pytest.approx((kept.done + kept.step / 90) / 6)
        saved = save_network(path, tmp_path / "kept.safetensors")
        assert (saved.epoch, saved.step) == (kept.done, kept.step)
        assert (saved.accuracy is None) == (kept.step > 0)
        resume(path)
        number = (read_json(path / "launch.json") or {})["pid"]
    done = list(watch(path, every=0.02))[-1]
    assert (done.state, done.message) == ("finished", "")
    assert positions == sorted(set(positions))
    assert any(step for _, step in positions)  # written for a pause, when none was due
    assert done.student.read_bytes() == (alone / "student.safetensors").read_bytes()
    saved = save_network(path, tmp_path / "kept.safetensors")
    assert (saved.epoch, saved.accuracy) == (6, done.result.accuracy)
    assert saved.file.read_bytes() == done.student.read_bytes()
    with pytest.raises(RunError, match="nothing to pause"):
        pause(path)


def test_a_pause_while_libraries_load_ends_at_once_and_a_cancel_overrides_it(
    new_processes, new_run
):
    path = new_run(settings=LONG)
    launch(path)
    paused = pause(path, wait=30)
    assert (paused.state, paused.done) == ("paused", 0)
    resume(path)
    request_pause(path)
    request_cancel(path)
    request_pause(path)  # too late
    assert until(path, lambda run: run.over).state in ("cancelled", "paused")
    with pytest.raises(RunError, match="no checkpoint yet"):
        save_network(path, path / "x.safetensors")


def test_a_run_that_was_not_started_is_paused_without_a_process(new_run):
    path = new_run()
    assert pause(path).state == "paused"
    assert not (path / "launch.json").exists()


def test_a_pause_waits_for_a_long_step_and_a_cancel_does_not(new_run, monkeypatch):
    """The grace of ten seconds, in which a cancelled worker must heed, ends no paused one."""
    ended: list[int] = []

    class Ended(BaseException):
        pass

    def leave(status: int) -> None:
        ended.append(status)
        raise Ended

    path = new_run()
    heart = Heartbeat(path)
    heart.report("training")
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += 5.0
        if now[0] == 100:
            (path / "request").write_text("cancel\n")
        assert now[0] < 200

    (path / "request").write_text("pause\n")
    monkeypatch.setattr("sfp_viz.runs.work.heartbeat.time.sleep", sleep)
    monkeypatch.setattr("sfp_viz.runs.work.heartbeat.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sfp_viz.runs.work.heartbeat.os._exit", leave)
    monkeypatch.setattr("sfp_viz.runs.work.heartbeat.end_children", lambda: None)
    with pytest.raises(Ended):
        heart._beat()
    assert 100 < now[0] <= 120
    assert (read_json(path / "worker.json") or {})["outcome"] == "cancelled"


def test_a_worker_records_what_its_result_depends_on_and_resumes_with_as_many_threads(
    new_run, monkeypatch
):
    import torch

    path = new_run(settings=replace(SETTINGS, train_images=48, test_images=10))

    def stop(self: Heartbeat) -> bool:
        self.stop.set()
        return step(self)

    step, before = Heartbeat.step, torch.get_num_threads()
    monkeypatch.setattr(Heartbeat, "step", stop)
    try:
        torch.set_num_threads(2)
        assert main([str(path)]) == 0
        said = read_json(path / "worker.json") or {}
        assert (said["threads"], said["memory_format"]) == (2, "channels_last")
        assert said["training_precision"] == "32-true"
        assert said["versions"]["torch"].startswith(torch.__version__.split("+")[0])
        torch.set_num_threads(1)
        assert main([str(path)]) == 0
        assert torch.get_num_threads() == 2
        assert (read_json(path / "worker.json") or {})["threads"] == 2
    finally:
        torch.set_num_threads(before)


def test_a_run_goes_on_when_whoever_started_it_is_killed(new_run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = new_run()
    done = subprocess.run([sys.executable, "-c", STARTER, str(path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert list(watch(path, every=0.05))[-1].state == "finished"


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_nothing_that_a_worker_started_is_left_running(new_run, monkeypatch, tmp_path, how):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    path = new_run(settings=LONG)
    number = launch(path)
    until(path, lambda run: (path / "child").exists() and (path / "child").read_text() != "")
    child = int((path / "child").read_text())
    assert psutil.pid_exists(child)
    os.kill(number, signal.SIGSTOP if how == "frozen" else signal.SIGKILL)
    run = cancel(path, wait=0.2)
    assert run.over
    assert run.state == "cancelled" or how == "killed"
    assert gone(number)
    assert gone(child)
