"""Runs in steps and sweeps on the page Fine-tune: their forms say what will be done and do it; a
sweep shows what its runs come to."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.sweep import FLOORS, Sweep, comparable_recipe
from sfp_viz.core.selection.iterative_schedule import Steps
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.nets.io.samples import sample_network, sample_path
from sfp_viz.runs import queue
from sfp_viz.runs.create.sweep import create_sweep
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.sweeps import read_sweep
from sfp_viz.runs.storage.history import EPOCHS, POINTS, append
from sfp_viz.runs.storage.records import Before, Point, Result
from sfp_viz.runs.storage.steps import read_steps_request
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.session.history import History
from sfp_viz.ui.training import sweep_form
from tests.finished_runs import finished_run
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"


def choose(app, label: str):
    """Choose what is done: 'steps' or 'sweep'."""
    found = next(b for b in app.segmented_control if b.label == "Prune and fine-tune")
    found.set_value(label).run()
    assert not app.exception
    return app


def field(app, kind: str, label: str):
    return next(f for f in getattr(app, kind) if f.label.startswith(label))


def pictures(app) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def test_the_form_of_steps_shows_the_way_and_starts_what_it_says(open_page, monkeypatch):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = choose(open_page("finetune"), "steps")
    assert "The final reduction is 50 % of the MACs, after 21 epochs" in said(app)
    assert "Processes" not in [field.label for field in app.number_input]  # it trains in one
    assert "not known yet" in said(app)
    assert "Remaining after each stage: 100 %, 79 %, 63 %, 50 %" in pictures(app)
    field(app, "number_input", "Stages").set_value(2).run()
    field(app, "number_input", "Epochs per stage").set_value(1).run()
    field(app, "number_input", "Final epochs").set_value(4).run()
    field(app, "selectbox", "Pruning schedule").set_value("cubic").run()
    assert "Remaining after each stage: 100 %, 56 %, 50 %" in pictures(app)
    field(app, "number_input", "Learning rate").set_value(0.03).run()
    press(app, "Start")
    run = read_run(started[0])
    assert (run.kind, run.settings.learning_rate, run.settings.epochs) == ("steps", 0.03, 5)
    assert read_steps_request(run.path).steps == Steps(2, "cubic", 1, 4)
    assert read_steps_request(run.path).recipe == Recipe()
    assert run.facts["recipe"] == "similarity"


def test_steps_that_cannot_be_gone_say_why_and_cannot_be_started(open_page, monkeypatch):
    from sfp_viz.ui.session import state

    monkeypatch.setattr(state, "DEFAULT_MODEL", MODEL)
    app = open_page("finetune")
    session = app.session_state["session"]
    app.session_state["session"] = History(
        replace(session.current, recipe=Recipe(0.5, allocation="sensitivity"))
    )
    app = choose(app.run(), "steps")
    assert "cannot use the sensitivity" in said(app)
    assert next(b for b in app.button if b.label == "Start").disabled


def test_the_form_of_a_sweep_counts_its_runs_and_starts_them(open_page, monkeypatch):
    started: list[Path] = []
    monkeypatch.setattr(process, "launch", started.append)
    app = choose(open_page("finetune"), "sweep")
    assert "3 targets × 3 recipes × 1 seed: 9 trainings of 15 epochs." in said(app)
    field(app, "multiselect", "Targets").set_value([40]).run()
    field(app, "number_input", "Seeds").set_value(2).run()
    field(app, "number_input", "Epochs per training").set_value(3).run()
    assert "1 target × 3 recipes × 2 seeds: 6 trainings of 3 epochs." in said(app)
    press(app, "Start")
    run, (sweep, locks) = read_run(started[0]), read_sweep(started[0])
    assert (run.kind, run.settings.epochs, locks) == ("sweep", 3, ())
    assert (sweep.targets, sweep.seeds) == ((0.4,), (0, 1))
    assert [name for name, _ in sweep.recipes] == ["similarity", *FLOORS]


def test_how_long_it_takes_is_estimated_from_earlier_trainings(workspace, open_page):
    path = create_run(
        workspace, start=sample_path(MODEL), teacher=None, settings=Distillation(epochs=2),
        data="digits", name="lenet", facts={"digest": sample_network(MODEL).digest},
    )  # fmt: skip
    for number in (1, 2):
        append(path / EPOCHS, Epoch(number, 2, 0.5, 0.9, 0.95, 360, 2.0, 0.01, 900.0, 3.0))
    (path / "request").write_text("cancel\n")
    app = choose(open_page("finetune"), "steps")
    assert "about 1 min 3 s (estimated from earlier trainings)" in said(app)  # 21 epochs of 3 s
    assert "one after the other (estimated" in said(choose(app, "sweep"))


def test_a_sweep_without_a_target_says_what_is_missing(open_page):
    app = choose(open_page("finetune"), "sweep")
    field(app, "multiselect", "Targets").set_value([]).run()
    assert "at least one target" in said(app)
    assert next(b for b in app.button if b.label == "Start").disabled


@pytest.fixture
def swept(workspace) -> Path:
    """A finished sweep of one recipe and two seeds, whose runs are finished too."""
    recipes = (("random", comparable_recipe("random", Recipe())),)
    path = create_sweep(
        workspace, model_file=sample_path(MODEL), sweep=Sweep((0.3,), recipes, (0, 1)),
        settings=Distillation(epochs=1), data="digits", facts={"model": MODEL},
    )  # fmt: skip
    for seed, accuracy in ((0, 0.9), (1, 0.94)):
        child = create_run(
            workspace, start=sample_path(MODEL), teacher=None, settings=Distillation(epochs=1),
            data="digits", name="lenet", folder=path.with_name(f"{path.name}-{seed:03d}"),
            facts={
                "digest": sample_network(MODEL).digest, "model": MODEL, "kind": "random",
                "sweep": path.name,
            },
        )  # fmt: skip
        before = Before(0.5, 0.986, 360, 80_000, 11_000, 1.0)
        (child / "before.json").write_text(json.dumps(asdict(before)))
        result = Result(accuracy, (0.8, 1.0), 360, 0.5, 80_000, 11_000, 0.986, 3.0, 1.0, 4.0)
        (child / "result.json").write_text(json.dumps(asdict(result)))
        append(path / POINTS, Point((0.3, "random", seed), child.name, 0.1))
    (path / "result.json").write_text("{}")
    return path


def watch(app, name: str):
    """Watch the run called ``name``."""
    session = app.session_state["session"]
    app.session_state["session"] = History(replace(session.current, run=name))
    app.run()
    assert not app.exception
    return app


def test_a_sweep_says_how_many_of_its_runs_are_trained_and_puts_lost_ones_back(
    swept, open_page, monkeypatch
):
    app = watch(open_page("finetune"), swept.name)
    assert "badge[Finished]" in said(app)
    lost = swept.with_name(f"{swept.name}-001")
    (lost / "result.json").unlink()
    (lost / "queued.json").write_text('{"order": 0, "time": 1}')
    monkeypatch.setattr(queue, "ensure_dispatcher", lambda *_, **__: None)
    app = watch(open_page("finetune"), swept.name)
    assert "blue-badge[1 of 2 trained]" in said(app)
    assert "1 of 2 trained" in list(app.dataframe[0].value["State"])
    (lost / "queued.json").unlink()
    (lost / "launch.json").write_text('{"attempt": 1, "pid": 4194305, "host": "x", "time": 1}')
    assert "orange-badge[1 of 2 trained]" in said(watch(open_page("finetune"), swept.name))
    back = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: back.append(path))
    press(watch(open_page("finetune"), swept.name), "Queue 1 again")
    assert back == [lost]


def test_deleting_a_sweep_says_that_its_runs_stay(swept, open_page):
    app = watch(open_page("finetune"), swept.name)
    delete = next(button for button in app.button if button.label == "Delete")
    assert "Its 2 runs are kept" in delete.help
    app = press(app, "Delete")
    assert not swept.exists()
    assert "was deleted. Its 2 runs are kept" in said(app)


def test_on_the_cluster_nothing_is_said_to_come_one_after_the_other(workspace):
    network, settings = sample_network(MODEL), Distillation(epochs=2)
    subject = Subject(MODEL, Request(Recipe()), "digits")
    sweep = Sweep((0.3,), (("random", comparable_recipe("random", Recipe())),), (0, 1))
    finished_run(workspace, settings=settings)  # an epoch took its seconds
    here = sweep_form.description(network, subject, settings, sweep, 2, "here")
    there = sweep_form.description(network, subject, settings, sweep, 2, "ray")
    assert "is queued" in here
    assert "one after the other (estimated" in here
    assert "starts when the cluster has capacity" in there
    assert "less if several run at a time (estimated" in there


def test_a_sweep_shows_means_and_opens_its_runs(swept, open_page):
    app = watch(open_page("finetune"), swept.name)
    assert "its 2 runs are kept" in said(app)
    means = next(d.value for d in app.dataframe if "Fine-tuned" in d.value)
    assert list(means["Fine-tuned"]) == ["92.0 % ± 2.8"]
    assert list(means["Finished"]) == ["2 of 2"]
    rows = next(d.value for d in app.dataframe if "Seed" in d.value)
    assert list(rows["Seed"]) == [0, 1]
    watch(app, f"{swept.name}-001")
    press(app, "Part of a sweep")
    assert app.session_state["session"].current.run == swept.name
