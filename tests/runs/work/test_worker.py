"""The worker, in real processes: a killed run goes on to the same bytes, a cancelled one leaves
no process, and whatever goes wrong is written down."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sfp_viz.core.measurement import wilson
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError
from sfp_viz.files import read_json
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.launch.process import cancel, delete, launch, watch
from sfp_viz.runs.resume import resume
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.worker import main
from tests.half_written import nothing_is_half_written

LONG = Distillation(epochs=4000, batch_size=16, learning_rate=0.01, augmentation="shift")


@pytest.fixture(scope="module", autouse=True)
def _one_thread(fork_server):
    """Also for the run that the module's fixture starts: bits depend on the number of threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(process, "start_process", fork_server.start)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, network_file) -> Run:
    """A run of six epochs that nobody disturbed."""
    settings = Distillation(epochs=6, batch_size=16, learning_rate=0.05, augmentation="shift")
    path = create_run(
        tmp_path_factory.mktemp("undisturbed"),
        start=network_file,
        teacher=network_file,
        settings=settings,
        data="digits",
        name="undisturbed",
    )
    launch(path)
    return list(watch(path, every=0.02))[-1]


def until(path: Path, wanted, seconds: float = 120) -> Run:
    """The first snapshot of a run that is as ``wanted``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run = read_run(path)
        if wanted(run):
            return run
        if run.over:
            break
        time.sleep(0.005)
    raise AssertionError(f"{run.state}: {run.message}\n{(path / 'log.txt').read_text()}")


def test_a_run_ends_with_a_network_a_history_and_a_result(undisturbed):
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.measure import count_params, measure_accuracy
    from sfp_viz.nets.io.model_file import load_saved

    run, result = undisturbed, undisturbed.result
    assert (run.state, run.message, run.progress, len(run.epochs)) == ("finished", "", 1.0, 6)
    assert result.accuracy == run.epochs[-1].test_accuracy > result.one_shot
    assert result.one_shot == result.teacher_accuracy  # here the teacher is the start itself
    assert result.interval == wilson(round(result.accuracy * result.images), result.images)
    student = load_saved(run.student)
    assert measure_accuracy(student, load_data("digits", "test")).accuracy == result.accuracy
    assert (count_params(student), result.images) == (result.params, 360)
    assert result.macs > result.params
    assert result.started < result.ended
    assert result.seconds == pytest.approx(sum(epoch.seconds for epoch in run.epochs))
    with pytest.raises(RunError, match="finished"):
        launch(run.path)


def timeless(run: Run) -> list[Epoch]:
    """The history without what depends on the moment: times and memory."""
    return [replace(e, seconds=0, images_per_second=0, memory=0) for e in run.epochs]


def test_a_run_killed_twice_ends_with_the_same_bytes(undisturbed, new_run):
    path = new_run(settings=undisturbed.settings)
    launch(path)
    for epochs in (1, 3):  # moments of the run
        until(path, lambda run, n=epochs: len(run.epochs) >= n)
        os.kill(read_json(path / "worker.json")["pid"], signal.SIGKILL)
        lost = read_or_wait(path)
        assert lost.state == "lost"
        assert epochs <= len(lost.epochs) < 6
        with (path / "epochs.jsonl").open("a") as file:
            file.write('{"epoch": ')  # as if killed in the middle of a line
        resume(path)
    run = until(path, lambda run: run.over)
    assert (run.state, run.message) == ("finished", "")
    assert run.student.read_bytes() == undisturbed.student.read_bytes()
    assert timeless(run) == timeless(undisturbed)
    assert nothing_is_half_written(path)


def read_or_wait(path: Path) -> Run:
    """The run once its killed worker is gone: a moment after the signal."""
    end = time.monotonic() + 10
    while not (run := read_run(path)).over and time.monotonic() < end:
        time.sleep(0.01)
    return run


def gone(pid: int) -> bool:
    """Whether a process is dead, at most waiting to be collected; dying takes a moment."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_a_cancelled_run_leaves_no_process_and_can_be_resumed(new_run, monkeypatch, capsys):
    path = new_run(settings=LONG)
    pid = launch(path)
    with pytest.raises(RunError, match="already"):
        launch(path)
    until(path, lambda run: len(run.epochs) >= 1)
    monkeypatch.setattr("sfp_viz.runs.worker.PATIENCE", 0.1)
    assert main([str(path)]) == 2  # never two
    assert "already" in capsys.readouterr().err
    with pytest.raises(RunError, match="Cancel it first"):
        delete(path)
    run = cancel(path)
    assert run.state == "cancelled"
    assert gone(pid)
    resume(path)
    more = until(path, lambda now: len(now.epochs) > len(run.epochs))
    assert more.state == "running"
    pid = read_json(path / "worker.json")["pid"]
    assert cancel(path).state == "cancelled"
    assert gone(pid)
    delete(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "more", "says"),
    [
        (Distillation(epochs=2, learning_rate=1e9, momentum=0.0), {}, "Lower the learning rate"),
        (Distillation(epochs=1), {"data": "nowhere"}, "no data called 'nowhere'"),
        (Distillation(epochs=1), {"teacher": None}, "no teacher"),
    ],
    ids=["a loss without bounds", "missing data", "a missing teacher"],
)
def test_a_run_that_cannot_work_says_why(new_run, settings, more, says):
    path = new_run(settings=settings, **more)
    assert main([str(path)]) == 1
    last = read_run(path)
    assert last.state == "failed"
    assert says in last.message
    assert "Traceback" in (path / "log.txt").read_text()


def test_an_unexpected_error_is_told_and_its_details_are_in_the_log(new_run):
    path = new_run()
    (path / "epochs.jsonl").mkdir()  # nobody expects a folder here
    assert main([str(path)]) == 1
    last = read_run(path)
    assert last.state == "failed"
    assert "unexpected" in last.message
    assert "log.txt" in last.message
    assert "IsADirectoryError" in (path / "log.txt").read_text()


def test_a_run_cancelled_before_its_start_needs_no_process(new_run):
    path = new_run()
    assert cancel(path, wait=0).state == "cancelled"


def test_the_worker_needs_one_folder():
    assert main([]) == 2
