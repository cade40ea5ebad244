"""A sweep lays out each of its trainings once, puts it in line, and sums up what they come to."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.recipe import Recipe, random, uniform_l1
from sfp_viz.core.plan.sweep import Sweep, comparable_recipe
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RecipeError, RunError
from sfp_viz.runs import queue, resume
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.create.sweep import create_sweep
from sfp_viz.runs.folder import list_runs, read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.sweeps import (
    deletion_note,
    read_sweep,
    spread,
    sweep_children,
    sweep_summary,
)
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.records import Before, Result, Run
from sfp_viz.runs.sweep_control import lost_children, put_back_text, stop_children
from sfp_viz.runs.worker import main

GRID = Sweep(
    targets=(0.3, 0.5),
    recipes=(("uniform_l1", uniform_l1(max_ratio=0.99)), ("random", random(max_ratio=0.99))),
    seeds=(0, 1),
)
FEW = Distillation(epochs=1, batch_size=64, train_images=100, test_images=100)


@pytest.fixture
def line(monkeypatch) -> list[Path]:
    """The runs that were put in line; none of them is started."""
    found: list[Path] = []

    def enqueue(path: Path, *, where: str = "", **_) -> Run:
        found.append(path)
        (path / "queued.json").write_text(json.dumps({"order": len(found), "time": time.time()}))
        return read_run(path)

    monkeypatch.setattr(queue, "enqueue", enqueue)
    return found


@pytest.fixture
def new_sweep(tmp_path, network_file, line):
    def make(sweep: Sweep = GRID, settings: Distillation = FEW, **more) -> Path:
        more = {"model_file": network_file, "data": "digits", **more}
        return create_sweep(tmp_path, sweep=sweep, settings=settings, **more)

    return make


def finish(path: Path, accuracy: float, one_shot: float = 0.2) -> None:
    """Make a child look as a worker leaves it."""
    run = read_run(path)
    before = Before(one_shot, 0.9, 100, run.facts["macs"], run.facts["params"], 1.0)
    (path / "before.json").write_text(json.dumps(asdict(before)))
    result = Result(
        accuracy, (0.0, 1.0), 100, one_shot, before.macs, before.params, 0.9, 2.0, 1.0, 3.0
    )
    (path / "result.json").write_text(json.dumps(asdict(result)))


def test_each_member_becomes_an_ordinary_training_that_is_put_in_line(new_sweep, line, tmp_path):
    path = new_sweep(locks=("conv1",))
    assert read_run(path).kind == "sweep"
    assert read_sweep(path) == (GRID, ("conv1",))
    assert main([str(path)]) == 0
    run = read_run(path)
    assert (run.state, run.message, run.done, run.progress) == ("finished", "", 8, 1.0)
    found = sweep_children(run)
    assert [child.run.path for child in found] == line
    assert len(list_runs(tmp_path, kind="finetune")) == 8
    for child in found:
        facts, plan, member = child.run.facts, child.run.plan, child.member
        assert child.run.state == "queued"
        assert training_facts(digest="", recipe=None).keys() <= facts.keys()
        assert (facts["sweep"], facts["seed"]) == (run.id, member.seed)
        assert (facts["recipe"], facts["target_reduction"]) == (member.name, member.target)
        assert facts["kind"] == {"uniform_l1": "uniform", "random": "random"}[member.name]
        assert plan.recipe == member.recipe
        assert plan.removed("conv1") == ()
        assert child.run.settings == replace(FEW, seed=member.seed)
        assert facts["macs"] <= (1 - member.target) * facts["macs_before"]
        assert facts["params"] < facts["params_before"]
        assert (child.run.path / "teacher.safetensors").exists()
    seeds = [c.run.plan.removals for c in found if c.member.task[:2] == (0.5, "random")]
    assert seeds[0] != seeds[1]


def test_a_child_works_like_any_run(new_sweep, line):
    path = new_sweep(Sweep((0.3,), (("uniform_l1", uniform_l1(max_ratio=0.99)),), (4,)))
    assert main([str(path)]) == 0
    (line[0] / "queued.json").unlink()
    assert main([str(line[0])]) == 0
    child = read_run(line[0])
    assert (child.state, child.settings.seed) == ("finished", 4)
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.tracing.read_network import read_network

    assert cost(read_network(load_saved(child.student))).macs == child.facts["macs"]
    cell = sweep_summary(sweep_children(read_run(path)))[0]
    assert (cell.done, cell.of, cell.accuracy.mean) == (1, 1, child.result.accuracy)


@pytest.mark.parametrize("moment", ["before it is laid out", "before it is in line", "after"])
def test_a_sweep_that_dies_and_resumes_lays_out_no_child_twice(
    new_sweep, line, moment, monkeypatch
):
    from sfp_viz.runs.work import sweep as work_sweep

    path = new_sweep()
    real = {name: getattr(work_sweep, name) for name in ("_start", "append", "create_run")}
    died = {"before it is laid out": "create_run", "before it is in line": "_start"}

    def dying(*words, **more):
        if len(line) == 3:
            raise MemoryError
        return real[died.get(moment, "append")](*words, **more)

    monkeypatch.setattr(work_sweep, died.get(moment, "append"), dying)
    first = main([str(path)])
    monkeypatch.undo()
    monkeypatch.setattr(queue, "enqueue", lambda p, **_: line.append(p))
    (path / "request").unlink(missing_ok=True)
    assert first == 1
    assert read_run(path).state == "failed"
    laid = {p.name: (p / "settings.json").stat().st_mtime_ns for p in line}
    assert main([str(path)]) == 0
    run = read_run(path)
    assert run.state == "finished"
    assert len(line) == len(set(line)) == 8
    assert [child.run.path for child in sweep_children(run)] == line
    assert all((p / "settings.json").stat().st_mtime_ns == laid.get(p.name) for p in line[:3])


def test_a_member_whose_target_is_out_of_reach_says_so_and_the_others_go_on(new_sweep, line):
    recipes = (("narrow", Recipe(max_ratio=0.05)), ("uniform_l1", uniform_l1(max_ratio=0.99)))
    path = new_sweep(Sweep((0.6,), recipes))
    assert main([str(path)]) == 0
    narrow, uniform = sweep_children(read_run(path))
    assert narrow.run is None
    assert "%" in narrow.problem
    assert uniform.run.path == line[0]
    assert [cell.problem != "" for cell in sweep_summary((narrow, uniform))] == [True, False]


def test_recipes_that_look_at_images_do_so_once_for_all(new_sweep, line, monkeypatch):
    from sfp_viz.nets.evaluation import observe

    calls = []
    real = observe.observe
    monkeypatch.setattr(observe, "observe", lambda *a, **m: calls.append(m) or real(*a, **m))
    recipes = tuple((name, comparable_recipe(name, Recipe())) for name in ("taylor", "functional"))
    path = new_sweep(Sweep((0.3,), recipes))
    assert main([str(path)]) == 0
    assert [call["scores"] for call in calls] == [["taylor"]]
    assert len(line) == 2


def test_the_summary_has_means_and_spreads_over_seeds(new_sweep, line):
    path = new_sweep()
    assert sweep_summary(sweep_children(read_run(path)))[0].macs is None  # nothing yet
    main([str(path)])
    for folder in line:
        facts = read_run(folder).facts
        if facts["recipe"] == "random" and facts["target"] == 0.5:
            finish(folder, 0.8 + 0.02 * facts["seed"], one_shot=0.3)
    cells = {
        (cell.target, cell.recipe): cell for cell in sweep_summary(sweep_children(read_run(path)))
    }
    assert list(cells) == [(t, n) for t in (0.3, 0.5) for n in ("uniform_l1", "random")]
    full, empty = cells[0.5, "random"], cells[0.3, "random"]
    assert (full.done, full.of, empty.done, empty.accuracy) == (2, 2, 0, None)
    assert full.accuracy.mean == pytest.approx(0.81)
    assert full.accuracy.deviation == pytest.approx(0.02 / 2**0.5)
    assert full.one_shot == spread([0.3, 0.3])
    assert spread([0.5]).deviation is None


def test_deleting_a_sweep_leaves_its_runs_alone_and_says_so(new_sweep, line, tmp_path):
    path = new_sweep(Sweep((0.3,), GRID.recipes, (0,)))
    main([str(path)])
    assert "Its 2 runs are kept" in deletion_note(read_run(path))
    shutil.rmtree(line[0])
    found = sweep_children(read_run(path))
    assert (found[0].run, found[0].problem) == (None, "This run was deleted.")
    assert "Its run is kept" in deletion_note(read_run(path))
    process.delete(path)
    assert [run.path for run in list_runs(tmp_path)] == [line[1]]


def test_the_runs_of_a_sweep_can_be_stopped_together(new_sweep, line, monkeypatch):
    path = new_sweep(Sweep((0.3,), GRID.recipes, (0, 1)))
    main([str(path)])
    finish(line[0], 0.9)
    withdrawn, asked = [], []
    monkeypatch.setattr(queue, "withdraw", withdrawn.append)
    monkeypatch.setattr(process, "request_cancel", asked.append)
    (line[3] / "queued.json").unlink()
    assert stop_children(read_run(path)) == 3
    assert (withdrawn, asked) == (line[1:3], [line[3]])


def lose(path: Path) -> None:
    """Make a child look as one whose worker was killed."""
    (path / "queued.json").unlink()
    (path / "launch.json").write_text('{"attempt": 1, "pid": 4194305, "host": "gone", "time": 1}')


def test_resuming_a_sweep_puts_its_lost_children_back_in_line_and_no_others(new_sweep, line):
    path = new_sweep(Sweep((0.3, 0.5), GRID.recipes, (0, 1)))
    main([str(path)])
    with pytest.raises(RunError, match="none of its trainings lost"):
        resume.resume(path)
    done, cancelled, failed, lost, never, *_ = line
    finish(done, 0.9)
    (done / "queued.json").unlink()
    for stopped, outcome in ((cancelled, "cancelled"), (failed, "failed")):
        lose(stopped)
        end = {"attempt": 1, "outcome": outcome, "host": "gone", "pid": 4194305, "time": 1}
        (stopped / "worker.json").write_text(json.dumps(end))
    lose(lost)
    (never / "queued.json").unlink()  # laid out by a sweep that died before it put it in line
    os.utime(never / "settings.json", (1.0, 1.0))
    assert [child.id for child in lost_children(read_run(path))] == [lost.name, never.name]
    line.clear()
    assert resume.resume(path).state == "finished"
    assert line == [lost, never]
    told = put_back_text(read_run(path), 2)
    assert told.startswith("2 trainings are back in the queue. 1 training is stopped by hand")
    assert "1 training has failed and was left alone" in told
    assert put_back_text(read_run(new_sweep()), 0) == ""


def test_a_worker_that_takes_over_starts_what_the_one_before_only_laid_out(new_sweep, line):
    path = new_sweep(Sweep((0.3,), GRID.recipes, (0,)))
    main([str(path)])
    (line[0] / "queued.json").unlink()
    os.utime(line[0] / "settings.json", (1.0, 1.0))
    (path / "points.jsonl").unlink()
    (path / "result.json").unlink()
    line.clear()
    assert main([str(path)]) == 0
    assert [child.name[-3:] for child in line] == ["001"]


def test_a_copy_of_a_child_belongs_to_no_sweep(new_sweep, line):
    path = new_sweep(Sweep((0.3,), GRID.recipes, (0,)))
    main([str(path)])
    copied = read_run(copy_with(line[0], seed=5))
    assert "sweep" not in copied.facts
    assert (copied.facts["seed"], copied.settings.seed) == (5, 5)
    assert copied.plan == read_run(line[0]).plan
    with pytest.raises(RunError, match="not a training"):
        copy_with(path)


def test_a_recipe_whose_measurement_is_missing_starts_no_sweep(new_sweep, tmp_path):
    recipes = (("by sensitivity", Recipe(allocation="sensitivity")),)
    with pytest.raises(RecipeError, match="sfp-viz sensitivity"):
        new_sweep(Sweep((0.3,), recipes))
    assert not (tmp_path / "runs").exists()
    path = new_sweep()
    (path / "sweep.json").write_text("{}")
    with pytest.raises(RunError, match=r"sweep\.json"):
        read_sweep(path)
