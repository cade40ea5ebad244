"""Runs on the pages Fine-tune, Compare and Export, from folders written as a worker leaves them."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.nets.io.samples import sample_network, sample_path
from sfp_viz.runs import folder, queue, resume
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.results import catalog, summary
from sfp_viz.runs.results.summary import finished_runs
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.records import Before, Result, Run
from sfp_viz.ui import export
from sfp_viz.ui.cached import known_runs, planned
from sfp_viz.ui.session.history import History
from tests.finished_runs import finished_run
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"


def run_folder(home: Path, *, epochs: int, kind: str = "plan", finished: bool = True) -> Path:
    """A run of two epochs of which ``epochs`` are done."""
    network = sample_network(MODEL)
    path = create_run(
        home,
        start=sample_path(MODEL),
        teacher=sample_path(MODEL),
        settings=Distillation(epochs=2),
        data="digits",
        name=f"lenet {kind}",
        plan=planned.plan(MODEL, Request(Recipe())),
        facts={"digest": network.digest, "model": MODEL, "kind": kind},
    )
    lines = [
        json.dumps(asdict(Epoch(n + 1, 2, 0.5, 0.9, 0.95, 360, 2.0, 0.01, 900.0, 1.5)))
        for n in range(epochs)
    ]
    (path / "epochs.jsonl").write_text("".join(f"{line}\n" for line in lines))
    before = Before(0.5, 0.986, 360, 80_000, 11_000, time.time())
    (path / "before.json").write_text(json.dumps(asdict(before)))
    if finished:
        result = Result(0.95, (0.92, 0.97), 360, 0.5, 80_000, 11_000, 0.986, 3.0, 1.0, 4.0)
        (path / "result.json").write_text(json.dumps(asdict(result)))
        (path / "student.safetensors").write_bytes(sample_path(MODEL).read_bytes())
    return path


def test_a_finished_run_is_shown_with_its_accuracies_and_listed(open_page, workspace):
    run_folder(workspace, epochs=2)
    app = open_page("finetune")
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["One-shot accuracy"] == "50.0 %"
    assert shown["Fine-tuned"] == "95.0 %"
    assert "360 test images of digits" in said(app)
    assert list(app.dataframe[0].value["Epochs"]) == [2]


def test_a_network_without_runs_says_where_those_of_others_are(open_page, workspace):
    assert "Start page" not in said(open_page("finetune"))
    finished_run(workspace, model="lenet5_digits", digest="f" * 16)
    assert "The others are on the Start page" in said(open_page("finetune"))


def test_only_a_finished_run_offers_the_ways_on_from_it(open_page, workspace):
    ways = {"Compare", "Export"}
    path = run_folder(workspace, epochs=2, finished=False)
    assert not ways & {button.label for button in open_page("finetune").button}
    shutil.rmtree(path)
    path = run_folder(workspace, epochs=2)
    app = open_page("finetune")
    assert ways <= {button.label for button in app.button}
    press(app, "Export")
    assert app.session_state["export_source"] == path.name


def test_a_run_whose_worker_is_gone_says_so_and_can_be_resumed(open_page, workspace, monkeypatch):
    path = run_folder(workspace, epochs=1, finished=False)
    old = {"attempt": 1, "pid": 2**22 + 1, "host": "elsewhere", "time": 1.0}
    (path / "launch.json").write_text(json.dumps(old))
    (path / "worker.json").write_text(json.dumps({**old, "outcome": ""}))
    assert read_run(path).state == "lost"
    resumed = []
    monkeypatch.setattr(resume, "resume", resumed.append)
    app = open_page("finetune")
    assert "last checkpoint" in app.warning[0].value
    press(app, "Resume")
    assert resumed == [path]


def test_a_run_is_deleted_without_a_question_and_can_be_put_back(open_page, workspace):
    finished_run(workspace)  # an older one, which takes the place on the screen meanwhile
    path = run_folder(workspace, epochs=2)
    files = {file.name for file in path.iterdir()}
    app = press(open_page("finetune"), "Delete")
    assert not path.exists()
    assert "was deleted" in said(app)
    app = press(app, "Restore")
    assert {file.name for file in path.iterdir()} == {*files, "launch.lock"}
    assert "Fine-tuned" in {metric.label for metric in app.metric}
    assert app.session_state["session"].current.run == path.name
    assert "was deleted" not in said(app)


def test_the_form_prunes_and_starts_a_run_with_the_plan_inside(open_page, workspace, monkeypatch):
    launched: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", launched.append)
    app = press(open_page("finetune"), "Start")
    run = read_run(launched[0])
    assert run.plan == planned.plan(MODEL, Request(Recipe()))
    assert run.facts["kind"] == "plan"
    assert run.facts.keys() == training_facts(digest="", recipe=None).keys()
    assert 0 < run.facts["params"] < run.facts["params_before"]
    assert run.settings.epochs == 15
    assert app.session_state["session"].current.run == run.id
    assert (run.path / "start.safetensors").stat().st_size < sample_path(MODEL).stat().st_size


def test_a_baseline_is_fine_tuned_with_the_plan_runs_settings(open_page, workspace, monkeypatch):
    run_folder(workspace, epochs=2)
    launched: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", launched.append)
    press(open_page("compare"), "Fine-tune uniform L1")
    run = read_run(launched[0])
    assert run.facts["kind"] == "uniform"
    assert run.settings == Distillation(epochs=2)
    assert run.plan is not None
    assert run.plan.recipe == replace(
        Recipe(), allocation="uniform", selection="ranking", max_ratio=0.99,
        target_reduction=run.plan.recipe.target_reduction,
    )  # fmt: skip


def test_no_two_rows_of_the_list_read_the_same(open_page, workspace):
    for _ in range(3):
        run_folder(workspace, epochs=2)
    finished_run(workspace, accuracies=(0.9,))
    finished_run(workspace, accuracies=(0.9,), settings=Distillation(epochs=1, seed=3))
    names = list(open_page("finetune").dataframe[0].value["Run"])
    assert len(names) == 5
    assert len(set(names)) == 5
    assert names[0] == "a plan −52 %, seed 3"


def test_without_a_line_of_uniform_l1_the_page_says_how_to_get_one(open_page, workspace):
    path = run_folder(workspace, epochs=2)
    app = open_page("finetune")
    assert "The Compare page can start one" in said(app)
    run_folder(workspace, epochs=2, kind="uniform")
    session = app.session_state["session"].current
    app.session_state["session"] = History(replace(session, run=path.name))
    app.run()
    assert not app.exception
    assert "The Compare page" not in said(app)


def test_export_offers_the_plans_run_before_a_baselines(open_page, workspace):
    run_folder(workspace, epochs=2)
    run_folder(workspace, epochs=2, kind="uniform")
    app = open_page("export")
    options = app.radio[0].options
    assert re.match(r"This plan, fine-tuned: similarity \([0-9a-f]{6}\), 95.0 %", options[0])
    assert options[1].startswith("This plan, fine-tuned: uniform L1")
    assert "--teacher lenet5_digits --data digits" in app.code[0].value
    assert "--epochs 2" in app.code[0].value


def test_export_starts_with_the_plan_on_the_screen_and_its_files_say_what_they_are(
    open_page, workspace, monkeypatch
):
    names = []

    def offered(label: str, *_, file_name: str, **more) -> None:
        if more.get("key") == "take_weights":
            names.append(file_name)

    monkeypatch.setattr(export.st, "download_button", offered)
    other = planned.plan(MODEL, Request(Recipe(0.3)))
    newest = finished_run(workspace, plan=other, macs=130_000)
    app = open_page("export")
    assert app.radio[0].value == ""  # the newest run is of another plan
    digits = planned.plan(MODEL, Request(Recipe())).hash[:6]
    assert app.radio[0].options[0] == f"This plan, not fine-tuned: similarity −50 % ({digits})"
    assert app.radio[0].options[1].startswith("Another plan, fine-tuned: similarity −")
    assert names[-1] == f"{MODEL}-50pct-fewer-macs-plan-{digits}.safetensors"
    app.radio[0].set_value(newest.name).run()
    assert names[-1] == f"{MODEL}-20pct-fewer-macs-run-{newest.name}.safetensors"
    mine = finished_run(workspace, plan=planned.plan(MODEL, Request(Recipe())))
    finished_run(workspace, plan=other)
    assert open_page("export").radio[0].value == mine.name


def test_with_many_runs_start_and_export_open_few_of_them(open_page, workspace, monkeypatch):
    for _ in range(12):
        finished_run(workspace)
    finished_runs(workspace)  # the index, as Compare or an earlier look leaves it
    read = []

    def noting(path: Path, *rest) -> Run:
        read.append(path.name)
        return read_run(path, *rest)

    for module in (catalog, folder, summary, known_runs):
        monkeypatch.setattr(module, "read_run", noting)
    app = open_page("export")  # by way of Start
    assert len(app.selectbox[0].options) == 13
    assert 0 < len(read) <= 4


@pytest.mark.slow
def test_export_makes_and_checks_an_onnx_file(open_page, workspace):
    run_folder(workspace, epochs=2)
    app = open_page("export").button(key="make_onnx").click().run(timeout=120)
    assert "Run at batches of 1, 3 and 32: largest difference" in said(app)
