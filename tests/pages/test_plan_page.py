"""The page Plan: each control changes one thing of the session, and says what it rests on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.evidence.sensitivity import WHOLE, collect_sensitivity, sensitivity_to_json
from sfp_viz.core.evidence.study import Study, study_to_dict
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.storage.records import Finding
from sfp_viz.ui.cached import planned
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"


@pytest.fixture
def plan(open_page) -> AppTest:
    """The page with the group 'conv2' chosen."""
    app = open_page("plan")
    return with_session(app, group="conv2")


def test_the_legend_names_only_what_the_bars_show(plan):
    assert "Dotted line: the suggestion." in said(plan)
    assert "Dashed outlines" not in said(plan)
    assert "Dashed outlines" in said(with_session(plan, model="resnet20_cifar10", group="conv1"))


def test_the_filters_that_go_are_chosen_when_they_are_asked_for(plan):
    assert not plan.dataframe
    plan.session_state["plan_filters"] = True
    plan.run()
    assert not plan.exception
    assert len(plan.dataframe[0].value) == 48 - kept(plan)["conv2"]


@pytest.fixture
def sensitive(workspace) -> Path:
    """A finished sensitivity study of the sample: conv2 loses little, conv1 much."""
    network = sample_network(MODEL)
    points = [(*WHOLE, 350), ("conv1", 10, 90), ("conv2", 24, 345), ("conv2", 6, 250)]
    points += [("fc1", 32, 300)]
    found = collect_sensitivity(network, Recipe(), points, data="digits, test", images=360)
    run = workspace / "runs" / "measured"
    run.mkdir(parents=True)
    finding = Finding(network.digest, "sensitivity.json", "digits, test", 360, 1.0, 0.0, 1.0)
    settings = {"format": 1, "kind": "sensitivity", "name": MODEL, "data": "digits", "created": 0}
    settings |= {"settings": study_to_dict(Study("sensitivity")), "facts": {}}
    (run / "settings.json").write_text(json.dumps(settings))
    (run / "sensitivity.json").write_text(sensitivity_to_json(found))
    (run / "result.json").write_text(json.dumps(asdict(finding)))
    return run


def session(app: AppTest) -> Session:
    return app.session_state["session"].current


def with_session(app: AppTest, **fields) -> AppTest:
    app.session_state["session"] = History(Session(**fields))
    app.run()
    assert not app.exception
    return app


def turn(app: AppTest, label: str, on: bool) -> AppTest:
    next(t for t in app.toggle if t.label == label).set_value(on).run()
    assert not app.exception
    return app


def slide(app: AppTest, label: str, value: int) -> AppTest:
    next(s for s in app.slider if s.label.startswith(label)).set_value(value).run()
    assert not app.exception
    return app


def kept(app: AppTest) -> dict[str, int]:
    return planned.allocated_widths(MODEL, session(app).request)


def test_what_other_allocations_would_keep_is_worked_out_once_for_a_target(plan, monkeypatch):
    from sfp_viz.core.allocation import alternatives

    asked: list[Recipe] = []
    real = alternatives.alternatives
    monkeypatch.setattr(
        alternatives, "alternatives", lambda *all: asked.append(all[0].recipe) or real(*all)
    )
    slide(plan, "Target", 60)
    plan.session_state["plan_hidden_marks"] = ("uniform",)
    plan.run()
    with_session(plan, recipe=session(plan).recipe, group="conv1")
    with_session(plan, recipe=Recipe(0.6, allocation="uniform"))
    assert [recipe.target_reduction for recipe in asked] == [0.6]


def test_another_goal_is_met_and_said(plan):
    goals = next(g for g in plan.button_group if "Params" in str(g.options))
    goals.set_value("params").run()
    assert not plan.exception
    assert session(plan).recipe.goal == "params"
    assert "fewer params" in said(plan)
    assert planned.reduction(MODEL, "params", kept(plan)) >= 0.5


def test_the_one_slider_holds_its_group_and_leaves_the_others(plan):
    before = kept(plan)
    slide(plan, "Filters to keep", 20)
    assert kept(plan) == {**before, "conv2": 20}
    assert not session(plan).edits.makeup
    assert "1 width is fixed manually; the other groups keep their widths." in said(plan)
    press(plan, "Reset all widths")
    assert session(plan).edits is None


def test_with_the_target_held_the_others_make_up_for_a_width(plan):
    turn(plan, "Keep the target", True)
    before = kept(plan)
    slide(plan, "Filters to keep", 40)
    assert session(plan).edits.makeup
    assert kept(plan)["conv2"] == 40
    assert kept(plan)["conv1"] < before["conv1"]
    turn(plan, "Keep the target", False)
    assert kept(plan) == {**before, "conv2": 40}


def test_a_width_is_held_where_it_is_and_given_back(plan):
    before = kept(plan)
    turn(plan, "Fix this width", True)
    assert dict(session(plan).edits.ratios).keys() == {"conv2"}
    assert kept(plan) == before
    turn(plan, "Fix this width", False)
    assert session(plan).edits is None


def test_a_minimum_is_set_and_lifted(plan):
    least = next(n for n in plan.number_input if n.label == "Keep at least")
    least.set_value(30).run()
    assert session(plan).edits.least == (("conv2", 30),)
    assert kept(plan)["conv2"] >= 30
    press(plan, "Reset to suggestion")
    assert session(plan).edits is None


def test_a_maximum_is_set_and_lifted(plan):
    before = kept(plan)
    most = next(n for n in plan.number_input if n.label == "Keep at most")
    most.set_value(10).run()
    assert session(plan).edits.most == (("conv2", 10),)
    assert kept(plan)["conv2"] <= 10
    assert kept(plan)["fc1"] >= before["fc1"]
    press(plan, "Reset to suggestion")
    assert session(plan).edits is None
    assert kept(plan) == before


def test_a_target_out_of_reach_offers_to_lift_what_prevents_it(plan):
    digest = sample_network(MODEL).digest
    with_session(plan, edits=Edits(digest, protected=("conv1", "conv2", "fc1")))
    lift = next(b for b in plan.button if b.label.startswith("Unlock conv2"))
    lift.click().run()
    assert not plan.exception
    assert session(plan).edits.protected == ("conv1", "fc1")
    assert not plan.error


def test_the_reason_shows_the_formula_with_this_groups_numbers(plan):
    assert r"\tau" in plan.latex[0].value
    assert "filters are kept" in said(plan)


def test_rounding_says_what_it_costs(plan):
    with_session(plan, recipe=Recipe(rounding=8), group="conv2")
    assert kept(plan)["conv2"] % 8 == 0
    assert "Rounding costs" in said(plan)


def test_a_named_recipe_keeps_its_name_whatever_rounding_and_ties_are(plan):
    with_session(plan, recipe=Recipe(rounding=8, coupled="shared"))
    assert next(s for s in plan.selectbox if s.label == "Named recipes").value == "similarity"


def test_a_recipe_that_needs_images_offers_them_and_the_way_back(plan):
    with_session(plan, recipe=Recipe(allocation="functional"))
    assert "needs image evidence" in said(plan)
    assert any(b.label == "Analyze images" for b in plan.button)
    press(plan, "Use a weights-only recipe")
    assert session(plan).recipe == Recipe()


def test_latency_is_measured_on_a_click_and_says_how(plan):
    assert not any("Latency" in m.label for m in plan.metric)
    press(plan, "Measure the latency of this plan")
    latency = next(m for m in plan.metric if m.label == "Latency, measured")
    assert "median of 30" in latency.help
    slide(plan, "Filters to keep", 20)
    assert not any("Latency" in m.label for m in plan.metric)


def test_a_loss_not_to_exceed_sets_the_target(sensitive, open_page):
    app = press(open_page("plan"), "Apply as target")
    target = session(app).recipe.target_reduction
    assert 0 < target < 0.5
    points = next(n for n in app.number_input if n.label.startswith("Percentage points of"))
    points.set_value(20.0).run()
    press(app, "Apply as target")
    assert session(app).recipe.target_reduction > target


def test_what_was_measured_sets_the_ratios_and_goes_stale_with_the_recipe(sensitive, open_page):
    app = open_page("plan")
    before = kept(app)
    app.session_state["evidence_open"] = True
    app.run()
    assert "Measured on 360 images" in said(app)
    press(app, "Use: by sensitivity")
    assert session(app).recipe.allocation == "sensitivity"
    assert kept(app)["conv1"] >= before["conv1"]
    with_session(app, recipe=Recipe(criterion="l2"))
    assert "criterion was l1, now l2" in said(app)


def test_a_damaged_study_is_named_and_the_page_still_works(sensitive, open_page):
    (sensitive / "sensitivity.json").write_text("{}")
    app = open_page("plan")
    assert app.error
    assert kept(app)
