"""Deleted runs lie in the trash for a while, and only what is over gets there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import streamlit as st

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, write_text
from sfp_viz.nets.io.samples import sample_path
from sfp_viz.runs.create.training import create_run
from sfp_viz.ui.runs import trash


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    monkeypatch.setattr(st, "session_state", {})
    return tmp_path


def run(home: Path) -> Path:
    start = sample_path("lenet5_digits")
    return create_run(
        home, start=start, teacher=start, settings=Distillation(epochs=1), data="digits", name="a"
    )


def test_a_run_goes_and_comes_back_whole(home):
    path = run(home)
    files = {file.name for file in path.iterdir()}
    trash.discard(path)
    assert not path.exists()
    trash.restore(st.session_state["run deleted last"])
    assert {file.name for file in path.iterdir()} == {*files, "launch.lock"}


def test_only_the_last_ones_are_kept(home):
    for _ in range(trash.KEPT + 3):
        trash.discard(run(home))
    assert len(list((home / "trash").iterdir())) == trash.KEPT


def test_what_is_gone_cannot_be_put_back(home):
    for name in ("nothing", "1.nothing", "../../etc", "..", ""):
        with pytest.raises(RunError, match="cannot be restored"):
            trash.restore(name)


def test_a_run_with_a_worker_is_not_deleted(home):
    path = run(home)
    write_text(path / "launch.json", '{"attempt": 1, "pid": 1, "host": "here", "time": 9e12}')
    with pytest.raises(RunError, match="Cancel it first"):
        trash.discard(path)
    assert path.exists()


def test_a_run_in_line_says_how_it_can_be_deleted(home):
    path = run(home)
    (path / "queued.json").write_text('{"order": 0, "time": 1}')
    with pytest.raises(RunError, match="Remove it from the queue"):
        trash.discard(path)
    assert path.exists()


def test_a_run_is_not_deleted_in_the_moment_of_its_start(home):
    path, order = run(home), []

    def starting() -> None:
        with file_lock(path / "launch.lock"):
            begun.set()
            time.sleep(0.2)
            order.append("started")

    begun, starter = threading.Event(), threading.Thread(target=starting)
    starter.start()
    begun.wait()
    trash.discard(path)
    order.append("deleted")
    starter.join()
    assert order == ["started", "deleted"]
