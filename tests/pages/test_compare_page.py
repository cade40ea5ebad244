"""The page Compare on folders written as a worker leaves them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe, fpgm, uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.results import latencies
from sfp_viz.runs.results.latencies import RunLatency, Timing
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.compare.chart import CHOSEN
from sfp_viz.ui.training import start
from tests.finished_runs import MODEL, finished_run, plan_of
from tests.pages.page_words import choose_images, press, said, undo

PLAN = "this plan"


def rows(app: AppTest) -> dict[str, dict]:
    """The table of points, by the name of the network."""
    table = app.dataframe[-1].value
    return {row["Network"]: row for row in table.to_dict("records")}


def choose(app: AppTest, *paths) -> AppTest:
    """What a click on the chart, or rows of the table, come to."""
    app.session_state[CHOSEN] = tuple(f"run:{path.name}" for path in paths)
    app.run()
    assert not app.exception
    return app


def against(app: AppTest, axis: str) -> AppTest:
    control = next(c for c in app.get("button_group") if c.label == "Accuracy against")
    control.set_value(axis).run()
    assert not app.exception
    return app


@pytest.fixture
def three(workspace):
    """A run of the plan on the screen, of uniform L1, and of another recipe with an edit."""
    digest = sample_network(MODEL).digest
    edits = Edits(digest, ratios=(("conv1", 0.25),))
    return {
        "plan": finished_run(workspace, plan=plan_of(Recipe()), accuracies=(0.9, 0.97, 0.95)),
        "uniform": finished_run(
            workspace, kind="uniform", plan=plan_of(uniform_l1()), accuracies=(0.7,)
        ),
        "other": finished_run(
            workspace, plan=plan_of(fpgm(0.3), edits), accuracies=(0.96,), macs=120_000
        ),
    }


def test_finished_runs_baselines_and_the_unpruned_network_stand_there_unmeasured(open_page, three):
    app = open_page("compare")
    found = rows(app)
    assert set(found) == {
        "unpruned", f"{PLAN} {plan_of(Recipe()).hash[:6]}, fine-tuned 3 epochs",
        "uniform L1, fine-tuned 1 epoch",
        f"fpgm {plan_of(fpgm(0.3), None).hash[:0]}{other(three)}, fine-tuned 1 epoch",
    }  # fmt: skip
    assert found["unpruned"]["Accuracy"] == pytest.approx(98.6)
    text = said(app).replace("\\", "")
    assert "this plan and uniform L1 were trained with different settings" in text
    assert "3 vs. 1 epochs" in text


def test_the_first_sentence_names_what_was_compared(open_page, three, workspace):
    settings = Distillation(epochs=3)
    finished_run(
        workspace, kind="uniform", plan=plan_of(uniform_l1()), accuracies=(0.7, 0.7, 0.7),
        settings=settings,
    )  # fmt: skip
    text = said(open_page("compare")).replace("\\", "")
    assert "This plan is 25.0 points above uniform L1." in text
    assert "fine-tuned for 3 epochs with the same settings, one run each (seed 0)" in text
    assert "Not included: 1 run" in text


def other(three) -> str:
    from sfp_viz.runs.results.differences import plan_of as read

    plan = read(three["other"])
    assert plan is not None
    return plan.hash[:6]


def test_the_front_says_of_how_many_and_calls_nobody_worse_within_noise(open_page, three):
    app = open_page("compare")
    found = {name.split(",")[0].split(" ")[0]: row["Front"] for name, row in rows(app).items()}
    assert found["uniform"] == "clearly below"
    assert found["unpruned"] == "on the front"
    assert "Pareto front of 4 fine-tuned networks" in said(app)
    assert "95 % interval of the test images" in said(app)


def test_a_clicked_run_opens_its_plan_as_one_step_that_can_be_undone(open_page, three):
    app = choose(open_page("compare"), three["other"])
    text = said(app)
    assert "Accuracy measured on 360 test images" in text
    press(app, "Open plan")
    now = app.session_state["session"].current
    assert now.recipe == fpgm(0.3)
    assert now.edits.ratios == (("conv1", 0.25),)
    assert now.run == three["other"].name
    assert len(app.session_state["session"].past) == 1
    app = undo(app)
    assert app.session_state["session"].current.recipe == Recipe()
    assert app.session_state["session"].current.edits is None


def test_the_card_shows_last_and_best_epoch_and_how_the_point_stands(open_page, three):
    app = choose(open_page("compare"), three["plan"])
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Accuracy (last epoch)"] == "95.0 %"
    assert shown["Best epoch (2 of 3)"] == "97.0 %"
    best = next(metric for metric in app.metric if metric.label.startswith("Best"))
    assert "chosen on the test images" in best.help
    assert "It is on the Pareto front of 4 networks" in said(app)
    choose(app, three["uniform"])
    assert "more accurate and costs no more" in said(app)
    press(app, "Close")
    assert not app.metric


def test_a_clicked_run_can_be_opened_and_exported(open_page, three):
    app = choose(open_page("compare"), three["other"])
    press(app, "Open run")
    assert app.session_state["session"].current.run == three["other"].name
    app = choose(open_page("compare"), three["other"])
    press(app, "Export")
    assert app.session_state["export_source"] == three["other"].name
    app.switch_page("pages/export.py").run()
    assert app.radio[0].value == three["other"].name


def test_a_run_without_a_plan_says_so_instead_of_opening_another(open_page, workspace):
    path = finished_run(workspace)
    app = press(choose(open_page("compare"), path), "Open plan")
    assert "has no plan" in app.error[0].value
    assert app.session_state["session"].current.recipe == Recipe()


def test_what_differs_between_chosen_runs_is_shown_and_nothing_else(open_page, three):
    app = choose(open_page("compare"), three["plan"], three["other"])
    table = app.dataframe[0].value
    by_name = {row["Setting"]: row for row in table.to_dict("records")}
    assert {
        "conv1: share pruned",
        "MACs (counted)",
        "Importance criterion",
        "epochs",
    } <= set(by_name)
    assert not {"batch size", "torch", "data", "gamma"} & set(by_name)
    first, second = [name for name in table.columns if name[1:2] == ":"]
    assert by_name["conv1: share pruned"][first] == "–"
    assert by_name["conv1: share pruned"][second] == "0.25"
    choose(app, three["plan"], three["plan"])
    assert "Differences between" not in said(app)


def test_runs_of_other_images_do_not_share_the_axis(open_page, three, workspace):
    finished_run(workspace, data="cifar10", kind="random")
    app = open_page("compare")
    assert len(rows(app)) == 4
    assert "Runs with other images, not on this chart: 1" in said(app)


def test_runs_stand_there_though_their_images_are_not_on_this_machine(open_page, workspace):
    finished_run(workspace, data="cifar10", plan=plan_of(Recipe()))
    app = open_page("compare")
    choose_images(app, "cifar10")
    assert "not on this machine" in said(app)
    assert len(rows(app)) == 2


def test_published_results_turn_the_axis_into_a_change_and_say_so(open_page, three):
    app = open_page("compare")
    assert "published" not in said(app).lower()
    next(t for t in app.toggle if t.label == "Published results").set_value(True).run()
    assert not app.exception
    assert "vertical axis now shows the accuracy change" in app.info[0].value
    assert "There are no results for" in app.info[0].value
    assert "baselines, trainings, schedules" in said(app).replace("\\", "")
    next(s for s in app.selectbox if s.label == "Published results for").select(
        "All networks"
    ).run()
    assert "results are shown" in said(app)
    against(app, "Params")
    assert not app.exception
    against(app, "Latency")
    toggle = next(t for t in app.toggle if t.label == "Published results")
    assert toggle.disabled
    assert not toggle.value


def timed(path, ms: float, **more) -> RunLatency:
    asked = {"batch": 1, "threads": 2, **more}
    return RunLatency(path.name, 4.0, "cpu", host="", ms=ms, iqr=(ms * 0.9, ms * 1.1), repeats=30,
                 torch="2", at=1.0, **asked)  # fmt: skip


def test_latencies_of_one_condition_stand_on_the_chart_and_no_others(open_page, three, workspace):
    for one in (
        timed(three["plan"], 2.0), timed(three["other"], 3.0), timed(three["uniform"], 9.0, batch=8)
    ):  # fmt: skip
        latencies.append_latency(workspace, one)
    app = against(open_page("compare"), "Latency")
    found = {name.split(" ")[0]: row["Latency"] for name, row in rows(app).items()}
    assert (found["this"], found["fpgm"]) == (2.0, 3.0)
    assert found["uniform"] != found["uniform"]  # not measured so
    assert "Not on the chart: 2 (latency not measured)" in said(app)
    app = next(s for s in app.selectbox if s.label == "Condition").select_index(1).run()
    found = {name.split(" ")[0]: row["Latency"] for name, row in rows(app).items()}
    assert found["uniform"] == 9.0


def test_measuring_latencies_is_asked_for_watched_and_cancelled(open_page, three, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "sfp_viz.ui.compare.latency.start_timing", lambda *args, **more: asked.append((args, more))
    )
    app = against(open_page("compare"), "Latency")
    assert not asked
    press(app, "Measure 4 networks")
    (_, todo), more = asked[0]
    assert more["batch"] == 1
    assert {name for name, *_ in todo} == {
        f"whole:{sample_network(MODEL).digest}", *(path.name for path in three.values())
    }  # fmt: skip
    stopped = []
    monkeypatch.setattr("sfp_viz.ui.compare.latency.read_timing", lambda _: Timing(1, 4, "", True))
    monkeypatch.setattr("sfp_viz.ui.compare.latency.cancel_timing", stopped.append)
    app.run()
    press(app, "Cancel")
    assert stopped


def test_one_shot_points_open_their_plan_too(open_page, workspace):
    app = press(open_page("compare"), "Measure one-shot accuracies")
    app.session_state[CHOSEN] = ("one-shot uniform",)
    app.run()
    press(app, "Open plan")
    assert app.session_state["session"].current.recipe.criterion == "l1"
    assert app.session_state["session"].current.recipe.allocation == "uniform"


@pytest.mark.parametrize("kind", ["uniform", "random"])
def test_a_baseline_is_repaired_like_the_plan_unless_it_is_to_be_plain(kind):
    subject = Subject(MODEL, Request(Recipe(compensation="bias")), "digits")
    alike = start.baseline(subject, kind, 0.5)
    assert alike.recipe.compensation == "bias"
    assert alike.data == subject.data
    assert start.baseline(subject, kind, 0.5, plain=True).recipe.compensation == "none"


def test_points_that_share_a_place_on_the_front_are_called_tied(open_page, workspace):
    finished_run(workspace, kind="uniform", plan=plan_of(uniform_l1()), accuracies=(0.7,))
    finished_run(workspace, plan=plan_of(Recipe()), accuracies=(0.995,))
    finished_run(workspace, plan=plan_of(Recipe()), accuracies=(0.9, 0.995))
    found = [row["Front"] for row in rows(open_page("compare")).values()]
    assert found.count("on the front, tied") == 2


def test_the_downloads_are_whole_and_say_units_and_what_was_measured(open_page, three, monkeypatch):
    made = {}
    import streamlit as st

    real = st.download_button

    def kept(label, data, **more):
        made[label] = data() if callable(data) else data
        return real(label, made[label], **more)

    monkeypatch.setattr(st, "download_button", kept)
    app = choose(open_page("compare"), three["plan"], three["other"])
    assert app.get("download_button")
    table = list(csv.DictReader(io.StringIO(made["CSV"])))
    assert len(table) == 3
    assert "accuracy last epoch, % (measured)" in table[0]
    assert {row["front of accuracy against cost"] for row in table} >= {"clearly below"}
    assert made["SVG"].startswith("<svg")
    page = made["Report"]
    assert "<svg" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "Differences" in page
    assert "conv1: share pruned" in page
    assert "pruned filters" in page


def test_a_baseline_keeps_the_settings_of_the_plans_run(open_page, three, monkeypatch):
    started = []
    monkeypatch.setattr(
        "sfp_viz.ui.training.start.start_training",
        lambda subject, settings, *, name: started.append((subject, settings)) or "a-run",
    )
    app = press(open_page("compare"), "Fine-tune random")
    assert "newest run of this plan: 3 epochs" in said(app)
    subject, settings = started[0]
    assert subject.kind == "random"
    assert subject.recipe.compensation == "none"
    assert settings == replace(Distillation(), epochs=3)


def test_many_trained_networks_are_exported_from_a_list_that_opens(open_page, workspace):
    made = [finished_run(workspace, kind=f"kind {number}") for number in range(12)]
    app = open_page("export")
    assert not app.radio
    choice = next(s for s in app.selectbox if s.label == "Network")
    assert len(choice.options) == len(made) + 1
