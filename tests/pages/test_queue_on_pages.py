"""The line on the page Fine-tune and the chip on every page, from folders laid out by hand."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.files import write_json
from sfp_viz.nets.io.samples import sample_network, sample_path
from sfp_viz.runs import queue, resume
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.scheduling import slots
from sfp_viz.runs.scheduling.activity import read_activity
from sfp_viz.runs.storage.processes import hostname
from sfp_viz.ui.runs import job_chip, queue_panel
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch):
    """Nothing is started: the line is only looked at and changed."""
    monkeypatch.setattr(queue, "ensure_dispatcher", lambda *_, **__: None)
    monkeypatch.setattr(queue, "start_waiting", lambda *_, **__: ())
    monkeypatch.setattr(process, "launch", lambda *_, **__: pytest.fail("a worker was started"))
    monkeypatch.setattr("sfp_viz.runs.liveness.is_alive", lambda pid, *_: pid == os.getpid())
    monkeypatch.delenv(slots.VARIABLE, raising=False)


def laid_out(
    home: Path, kind: str = "plan", epochs: int = 4, settings: Distillation | None = None
) -> Path:
    return create_run(
        home,
        start=sample_path(MODEL),
        teacher=sample_path(MODEL),
        settings=settings or Distillation(epochs=epochs),
        data="digits",
        name="lenet",
        facts={"digest": sample_network(MODEL).digest, "model": MODEL, "kind": kind},
    )


def at_work(home: Path, done: int = 1, pid: int | None = None) -> Path:
    """A run at work by what its folder says: the worker is this process."""
    path = laid_out(home)
    entry = {"attempt": 1, "pid": pid or os.getpid(), "host": hostname(), "time": time.time()}
    write_json(path / "launch.json", entry)
    write_json(path / "worker.json", {**entry, "phase": "training", "done": done})
    lines = [
        json.dumps(asdict(Epoch(n + 1, 4, 0.5, 0.9, 0.95, 360, 2.0, 0.01, 900.0, 60.0)))
        for n in range(done)
    ]
    (path / "epochs.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return path


def in_line(home: Path, count: int) -> list[Path]:
    paths = [laid_out(home, epochs=n + 5) for n in range(count)]
    for n, path in enumerate(paths):
        write_json(path / "queued.json", {"order": n, "time": time.time(), "attempt": 0})
    return paths


def rows(app: AppTest) -> list[str]:
    """The lines of the panel, without the signs that keep names from being markup."""
    return [m.value.replace("\\", "") for m in app.markdown if "epochs" in m.value]


def click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def test_nothing_is_drawn_where_nothing_waits(open_page, workspace):
    app = open_page("finetune")
    assert "Queued" not in said(app)
    assert not [b for b in app.button if str(b.key).startswith(("queue", "job"))]


def test_the_line_shows_places_and_estimated_starts_and_its_order_can_be_changed(
    open_page, workspace
):
    at_work(workspace)
    first, second, third = in_line(workspace, 3)
    app = open_page("finetune")
    assert "Queued: 3" in said(app)
    assert [row.split(".")[0] for row in rows(app)] == ["1", "2", "3"]
    assert all(
        "starts at about" in row or "starts on" in row for row in rows(app)
    )  # an epoch took a minute
    assert "estimated" in said(app)
    click(app, f"queue_keyboard_arrow_up_{third.name}")
    assert [run.id for run in queue.queued_runs(workspace)] == [first.name, third.name, second.name]
    assert [row.split(", ")[1].split(" ")[0] for row in rows(app)] == ["5", "7", "6"]
    assert app.button(key=f"queue_keyboard_arrow_up_{first.name}").disabled
    assert app.button(key=f"queue_keyboard_arrow_down_{second.name}").disabled
    click(app, f"queue_keyboard_arrow_down_{first.name}")
    assert [run.id for run in queue.queued_runs(workspace)] == [third.name, first.name, second.name]
    click(app, f"queue_close_{first.name}")
    assert read_run(first).state == "cancelled"
    assert "Queued: 2" in said(app)


def test_runs_of_the_same_plan_in_line_are_told_apart(open_page, workspace):
    for n in range(2):
        path = laid_out(workspace, settings=Distillation(epochs=4, seed=n))
        write_json(path / "queued.json", {"order": n, "time": time.time(), "attempt": 0})
    at_work(workspace)
    first, second = (row.splitlines()[0] for row in rows(open_page("finetune")))
    assert first.rstrip().endswith("seed 0, 4 epochs")
    assert second.rstrip().endswith("seed 1, 4 epochs")


def test_a_run_that_left_the_line_meanwhile_is_told_as_a_toast(open_page, workspace):
    at_work(workspace)
    first, second = in_line(workspace, 2)
    app = open_page("finetune")
    queue.withdraw(second)
    app.button(key=f"queue_keyboard_arrow_up_{second.name}").click().run()
    assert not app.exception
    assert "not in the queue any more" in app.toast[0].value.replace("\\", "")
    assert [run.id for run in queue.queued_runs(workspace)] == [first.name]


def test_a_paused_run_stays_on_the_screen_beside_a_newer_one_that_left_the_line(
    open_page, workspace, monkeypatch
):
    path = at_work(workspace)
    (newer,) = in_line(workspace, 1)
    queue.withdraw(newer)
    app = open_page("finetune")
    press(app, "Pause")
    worker = json.loads((path / "worker.json").read_text())
    write_json(path / "worker.json", {**worker, "outcome": "paused"})
    resumed = []
    monkeypatch.setattr(resume, "resume", resumed.append)
    press(app.run(), "Resume")
    assert resumed == [path]


def test_a_run_that_left_the_line_before_it_began_promises_no_curves(open_page, workspace):
    (path,) = in_line(workspace, 1)
    assert "The curves appear here" in said(open_page("finetune"))
    queue.withdraw(path)
    told = said(open_page("finetune"))
    assert "stopped before the end of its first epoch" in told
    assert "The curves appear here" not in told


def test_how_many_work_at_a_time_is_chosen_on_the_page(open_page, workspace, monkeypatch):
    monkeypatch.setattr(slots, "gpus", lambda: ())
    at_work(workspace)
    in_line(workspace, 1)
    app = open_page("finetune")
    field = next(s for s in app.selectbox if s.label == "At a time")
    assert field.value == 1
    field.set_value(2).run()
    assert not app.exception
    assert slots.slot_count(workspace) == 2
    monkeypatch.setenv(slots.VARIABLE, "3")
    app.run()
    assert "3 at a time, set by SFP_VIZ_SLOTS" in said(app).replace("\\", "")
    assert not [s for s in app.selectbox if s.label == "At a time"]


def test_a_long_line_shows_its_first_runs_and_the_others_on_a_click(open_page, workspace):
    at_work(workspace)
    in_line(workspace, queue_panel.SHOWN + 3)
    app = open_page("finetune")
    assert len(rows(app)) == queue_panel.SHOWN
    press(app, "Show 3 more")
    assert len(rows(app)) == queue_panel.SHOWN + 3


def test_the_chip_says_what_runs_how_far_it_is_and_what_waits(workspace, monkeypatch):
    at_work(workspace, done=1)
    in_line(workspace, 2)
    gone = []
    monkeypatch.setattr(job_chip.st, "switch_page", gone.append)
    app = AppTest.from_function(_chip_on_plan, default_timeout=60).run()
    assert not app.exception
    label = app.button(key="job").label.replace("\\", "")
    assert label == "Fine-tuning: LeNet-5-like on digits, 25 %, 2 queued"
    click(app, "job")
    assert app.session_state["session"].current.run == read_activity(workspace).working[0].id
    assert gone == ["pages/finetune.py"]


def test_failures_stay_on_the_chip_until_they_are_looked_at(workspace, monkeypatch):
    path = at_work(workspace, pid=2**22 + 1)
    assert read_run(path).state == "lost"
    monkeypatch.setattr(job_chip.st, "switch_page", lambda page: None)
    app = AppTest.from_function(_chip_on_plan, default_timeout=60).run()
    assert app.button(key="job_failed").label == "1 failed"
    assert "job" not in [button.key for button in app.button]
    click(app, "job_failed")
    assert app.session_state["session"].current.run == path.name
    assert read_activity(workspace).failed == ()


def test_the_frame_carries_the_chip_on_a_first_visit(unopened, workspace):
    at_work(workspace)
    assert "job" in [button.key for button in unopened.run().button]


def test_failures_of_the_network_on_the_screen_are_looked_at_on_the_page_fine_tune(workspace):
    path = at_work(workspace, pid=2**22 + 1)
    app = AppTest.from_function(_chip_on_finetune, default_timeout=60).run()
    assert not app.exception
    assert read_activity(workspace).failed == ()
    assert read_run(path).state == "lost"


def _chip_on_finetune() -> None:
    from sfp_viz.ui.runs import job_chip

    job_chip.chip("finetune")


def test_one_clock_a_page(workspace, monkeypatch):
    """The chip looks again by itself while something goes, except where the page does."""
    clocks = []

    def fragment(draw, run_every=None):
        clocks.append(run_every)
        return draw

    monkeypatch.setattr(job_chip.st, "fragment", fragment)
    AppTest.from_function(_chip_on_finetune).run()
    at_work(workspace)
    AppTest.from_function(_chip_on_finetune).run()
    AppTest.from_function(_chip_on_plan).run()
    assert clocks == [None, None, job_chip.EVERY]


def _chip_on_plan() -> None:
    from sfp_viz.ui.runs import job_chip

    job_chip.chip("plan")


def test_a_start_says_the_day_when_it_is_not_today():
    noon = time.mktime((2026, 3, 2, 12, 0, 0, 0, 0, -1))
    assert queue_panel.start_text(None, noon) == "start time not known yet"
    assert queue_panel.start_text(noon + 3600, noon) == "starts at about 13:00"
    assert queue_panel.start_text(noon + 86400, noon) == "starts on Tuesday at about 12:00"
    assert queue_panel.start_text(noon + 10 * 86400, noon) == "starts on about 12 Mar"
