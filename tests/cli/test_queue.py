"""The line of trainings from a shell: what waits, in which order, and how many at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.files import write_json
from sfp_viz.nets.io.samples import sample_path
from sfp_viz.runs import queue
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.scheduling import slots
from tests.shell import NET, call


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A workspace in which no process is ever started."""
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    monkeypatch.delenv(slots.VARIABLE, raising=False)
    monkeypatch.setattr(slots, "gpus", lambda: ())
    monkeypatch.setattr(queue, "ensure_dispatcher", lambda *_, **__: None)
    monkeypatch.setattr(queue, "start_waiting", lambda *_, **__: ())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_line(home: Path, name: str, order: float) -> Path:
    settings = Distillation(epochs=3, alpha=0)
    path = create_run(
        home, start=sample_path(NET), teacher=None, settings=settings, data="digits", name=name
    )
    write_json(path / "queued.json", {"order": order, "time": 1.0, "attempt": 0})
    return path


def order() -> list[str]:
    value = json.loads(call("runs", "queue", "--json").stdout)
    assert [one["place"] for one in value["queued"]] == list(range(1, len(value["queued"]) + 1))
    return [one["name"] for one in value["queued"]]


def test_the_line_is_shown_and_its_order_can_be_changed(home):
    assert "The queue is empty" in call("runs", "queue").output
    first, _, third = (in_line(home, name, n) for n, name in enumerate("abc"))
    text = call("runs", "queue").output
    assert "1 at a time" in text
    assert "not known" in text  # no epoch of this network is done
    assert order() == ["a", "b", "c"]
    call("runs", "queue", "--first", third.name)
    assert order() == ["c", "a", "b"]
    call("runs", "queue", "--move", first.name, 3)
    assert order() == ["c", "b", "a"]
    call("runs", "queue", "--remove", third.name)
    assert order() == ["b", "a"]
    assert read_run(third).state == "cancelled"
    assert "not in the queue" in call("runs", "queue", "--remove", third.name, status=1).stderr


def test_how_many_at_a_time_is_kept(home, monkeypatch):
    assert "2 at a time (set for this workspace)" in call("runs", "queue", "--at-once", 2).output
    assert json.loads(call("runs", "queue", "--json").stdout)["at_once"] == 2
    assert "1 at a time" in call("runs", "queue", "--at-once", 0).output
    monkeypatch.setenv(slots.VARIABLE, "none")
    assert "SFP_VIZ_SLOTS must be" in call("runs", "queue", status=1).stderr


def test_finetune_waits_in_the_background_and_starts_at_once_when_watched(home, monkeypatch):
    launched, queued = [], []

    def enqueue(path, **more):
        queued.append((path.name, more))

    monkeypatch.setattr(queue, "enqueue", enqueue)
    monkeypatch.setattr(process, "launch", lambda path: launched.append(path.name))
    words = ["finetune", NET, "--alpha", 0, "--epochs", 1]
    call(*words, "--run", "one", "--background")
    call(*words, "--run", "two", "--background", "--where", "cluster")
    call(*words, "--run", "three", status=1)  # nobody works at it here
    assert queued == [("one", {"home": home}), ("two", {"where": "ray"})]
    assert launched == ["three"]


def test_each_look_at_runs_wakes_the_line(home, monkeypatch):
    woken = []
    monkeypatch.setattr(queue, "ensure_dispatcher", woken.append)
    call("runs", "list")
    assert woken == [home]
