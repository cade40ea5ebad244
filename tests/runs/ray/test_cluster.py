"""Runs on a real Ray cluster of two nodes that mount the workspace at different paths."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.files import read_json
from sfp_viz.runs import queue, resume
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import list_runs, read_run
from sfp_viz.runs.launch import process, ray_launch
from sfp_viz.runs.ray import jobs
from sfp_viz.runs.ray.settings import Cluster, set_cluster
from sfp_viz.runs.storage.records import Run
from tests.runs.ray_cluster import two_nodes

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
LONG = Distillation(epochs=4000, batch_size=16, learning_rate=0.01, augmentation="shift")
SHORT = Distillation(epochs=12, batch_size=64, learning_rate=0.05, augmentation="shift")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # of the local run; Ray gives one CPU, one thread
        yield


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with two_nodes(tmp_path_factory.mktemp("cluster")) as found:
        set_cluster(found.home, Cluster(found.address))
        yield found


@pytest.fixture
def new(nodes, network_file):
    """Lays out runs in the app's workspace; those that still work are cancelled at the end."""
    made: list[Path] = []

    def make(name: str, settings: Distillation = LONG) -> Path:
        files = {"start": network_file, "teacher": network_file}
        made.append(create_run(nodes.home, settings=settings, data="digits", name=name, **files))
        return made[-1]

    yield make
    for path in made:
        process.cancel(path, wait=20)


@pytest.fixture(scope="module")
def local(tmp_path_factory, network_file) -> Run:
    """The same training on this machine, undisturbed."""
    files = {"start": network_file, "teacher": network_file}
    home = tmp_path_factory.mktemp("local")
    path = create_run(home, settings=SHORT, data="digits", name="local", **files)
    process.launch(path)
    return until(path, lambda run: run.over)


def until(path: Path, wanted, seconds: float = 180) -> Run:
    """The first look at a run, one a quarter of a second, at which it is as ``wanted``."""
    end = time.monotonic() + seconds
    while not wanted(run := read_run(path)):
        text = f"{run.state}: {run.message}"
        assert time.monotonic() < end, text
        time.sleep(0.25)
    return run


def ended_in_ray(path: Path) -> bool:
    """Whether nothing of the run's job is left; its process ends a moment after its result."""
    launch, end = read_json(path / "launch.json") or {}, time.monotonic() + 20
    while time.monotonic() < end:
        if jobs.status(launch["address"], launch["job"]).status not in jobs.AT_WORK:
            return True
        time.sleep(0.25)
    return False


def test_a_run_is_started_watched_and_cancelled_while_another_ends_like_a_local_one(
    nodes, new, local
):
    long, short = new("long"), new("short", SHORT)
    assert queue.enqueue(long, where="ray").state == "waiting"
    queue.enqueue(short, where="ray")
    for path in (long, short):
        until(path, lambda run: run.state == "running" and run.epochs)
    first, second = (nodes.of_worker(read_json(p / "worker.json")["pid"]) for p in (long, short))
    assert first != second  # each node has one CPU
    third = new("third")
    queue.enqueue(third, where="ray")
    waiting = until(third, lambda run: run.message)
    assert (waiting.state, "waits for free resources in the cluster" in waiting.message) == (
        "waiting",
        True,
    )
    process.request_cancel(third)  # it never began: nothing to wait for
    assert read_run(third).state == "cancelled"
    ended = process.cancel(long)
    assert ended.state == "cancelled"
    assert ended.epochs
    done = until(short, lambda run: run.over)
    assert (done.state, done.message) == ("finished", "")
    assert done.student.read_bytes() == local.student.read_bytes()
    assert done.result.accuracy == local.result.accuracy
    assert f"The worker of '{short.name}' begins" in ray_launch.logs(
        short
    )  # the rest is in log.txt
    found = {run.id: run.state for run in list_runs(nodes.home)}
    assert found == {long.name: "cancelled", short.name: "finished", third.name: "cancelled"}
    assert ended_in_ray(long)
    assert ended_in_ray(short)


def test_a_run_is_paused_and_goes_on_where_it_ran(nodes, new, local):
    path = new("paused", SHORT)
    queue.enqueue(path, where="ray")
    until(path, lambda run: len(run.epochs) >= 2)
    paused = process.pause(path)
    assert (paused.state, len(paused.epochs) < 12) == ("paused", True)
    resume.resume(path)
    done = until(path, lambda run: run.over)
    assert done.state == "finished"
    assert done.student.read_bytes() == local.student.read_bytes()
    assert (read_json(path / "launch.json") or {})["where"] == "ray"


def test_a_worker_that_is_killed_is_seen_and_what_the_cluster_says_is_told(nodes, new):
    import os
    import signal

    path = new("killed")
    queue.enqueue(path, where="ray")
    until(path, lambda run: run.epochs)
    os.kill(read_json(path / "worker.json")["pid"], signal.SIGKILL)
    began = time.monotonic()
    lost = until(path, lambda run: run.over, 20)
    assert lost.state == "lost"
    assert time.monotonic() - began < 10
    assert "Resume continues" in lost.message


def test_a_node_dies_and_its_run_is_resumed_on_the_other(nodes, new, local):
    both, head = (new("one", SHORT), new("two", SHORT)), next(iter(nodes.homes))
    for path in both:
        queue.enqueue(path, where="ray")
    for path in both:
        until(path, lambda run: run.state == "running")
    workers = {path: read_json(path / "worker.json")["pid"] for path in both}
    path = next(p for p in both if nodes.of_worker(workers[p]) != head)  # the head must live
    until(path, lambda run: run.epochs)
    nodes.kill(nodes.of_worker(workers[path]))
    began = time.monotonic()
    lost = until(path, lambda run: run.over, 60)
    assert (lost.state, len(lost.epochs) >= 1) == ("lost", True)
    assert time.monotonic() - began < 20
    resume.resume(path)  # it waits until the other run has left the only node
    done = until(path, lambda run: run.over)
    assert done.state == "finished"
    assert done.student.read_bytes() == local.student.read_bytes()
