"""The pages from plan to learn, on the digits network."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import plan_to_json, recipe_to_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.ui.cached import planned
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import choose_images, press, said

MODEL = "lenet5_digits"


def session(app: AppTest) -> Session:
    return app.session_state["session"].current


def undo(app: AppTest) -> None:
    """The button stands in the frame, which a page opened alone does not have."""
    app.session_state["session"] = app.session_state["session"].undo()
    app.run()
    assert not app.exception


def with_session(app: AppTest, **fields) -> AppTest:
    app.session_state["session"] = History(Session(**fields))
    app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("name", ["plan", "check", "finetune", "compare", "export", "learn"])
def test_each_page_opens_on_the_sample_without_data_or_network(open_page, name):
    assert said(open_page(name))


# plan


def test_moving_the_target_changes_the_recipe_in_one_step(open_page):
    app = open_page("plan")
    app.slider[0].set_value(70).run()
    assert session(app).recipe.target_reduction == 0.7
    assert "Target: at least 70.0 %" in said(app)
    assert len(app.session_state["session"].past) == 1


def test_a_target_out_of_reach_names_the_nearest_and_offers_it(open_page):
    app = open_page("plan")
    digest = sample_network(MODEL).digest
    edits = Edits(digest, protected=("conv1", "conv2", "fc1"))
    with_session(app, edits=edits)
    assert "cannot be reached" in app.error[0].value
    press(app, "Use 0.0 % instead")
    assert not app.error
    assert "prunes no filters" in said(app)
    undo(app)
    press(app, "Undo all manual changes")
    assert session(app).edits is None


def test_the_way_out_promises_what_the_sentence_above_it_says(open_page):
    """Rounded alike: at some of these bounds the nearest target lies above half a tenth."""
    for most in (0.5, 0.6, 0.7, 0.8, 0.9):
        app = with_session(open_page("plan"), recipe=Recipe(target_reduction=0.99, max_ratio=most))
        at_most = app.error[0].value.split("at most ")[1].split(" %")[0]
        assert f"Use {at_most} % instead" in [button.label for button in app.button]


def test_a_locked_group_is_left_whole_and_can_be_freed(open_page):
    app = with_session(open_page("plan"), group="conv2")
    toggle = next(t for t in app.toggle if t.label == "Do not prune")
    toggle.set_value(True).run()
    assert session(app).edits.protected == ("conv2",)
    next(t for t in app.toggle if t.label == "Do not prune").set_value(False).run()
    assert session(app).edits is None


def test_accepting_the_suggestion_takes_ratios_back_and_keeps_locks(open_page):
    digest = sample_network(MODEL).digest
    edits = Edits(digest, ratios=(("conv1", 0.25),), protected=("conv2",))
    app = with_session(open_page("plan"), edits=edits, recipe=Recipe(target_reduction=0.1))
    press(app, "Reset all widths")
    assert session(app).edits == Edits(digest, protected=("conv2",))


def test_a_named_recipe_keeps_the_target(open_page):
    app = with_session(open_page("plan"), recipe=Recipe(target_reduction=0.3))
    next(s for s in app.selectbox if s.label == "Named recipes").select("random").run()
    assert session(app).recipe.criterion == "random"
    assert session(app).recipe.target_reduction == 0.3


def upload(app: AppTest, text: str) -> AppTest:
    app.file_uploader[0].upload("a.json", text.encode(), "application/json").run()
    assert not app.exception
    return app


def test_a_recipe_and_a_plan_can_be_opened_and_undone(open_page):
    app = upload(open_page("plan"), recipe_to_json(Recipe(target_reduction=0.3, gamma=1.0)))
    assert session(app).recipe == Recipe(target_reduction=0.3, gamma=1.0)
    digest = sample_network(MODEL).digest
    edits = Edits(digest, protected=("conv1",))
    upload(app, plan_to_json(planned.plan(MODEL, Request(Recipe(target_reduction=0.2), edits))))
    assert session(app).edits == edits
    undo(app)
    assert session(app).edits is None


def test_a_file_that_is_neither_gets_one_sentence_and_changes_nothing(open_page):
    app = upload(open_page("plan"), "no json at all")
    assert "readable as JSON" in app.error[0].value
    assert session(app).recipe == Recipe()


# check, compare, export


def test_check_prunes_on_a_click_and_shows_both_networks(open_page):
    app = open_page("check")
    assert not app.metric
    press(app, "Prune and measure")
    assert [m.label for m in app.metric] == [
        "MACs", "Params", "File size", "Latency", "One-shot accuracy",
    ]  # fmt: skip
    assert "360 images" in said(app)
    with_session(app, recipe=Recipe(target_reduction=0.3))
    assert not app.metric
    assert "changed since the last check" in said(app)


def test_without_images_everything_but_accuracy_works_and_says_so(open_page):
    app = open_page("check")
    choose_images(app, "cifar10")
    assert "not on this machine" in app.info[0].value
    press(app, "Prune and measure")
    assert [m.label for m in app.metric] == ["MACs", "Params", "File size", "Latency"]
    assert "Accuracy was not measured" in said(app)


def test_compare_measures_the_plan_beside_baselines_at_equal_macs(open_page):
    app = press(open_page("compare"), "Measure one-shot accuracies")
    table = app.dataframe[0].value
    assert set(table["Network"]) == {
        "unpruned", "this plan, one-shot", "uniform L1, one-shot",
        "random, seed 0, one-shot", "random, seed 1, one-shot", "random, seed 2, one-shot",
    }  # fmt: skip
    plan = table.set_index("Network")["MACs"]
    assert plan["uniform L1, one-shot"] <= plan["this plan, one-shot"]


def test_export_offers_the_pruned_network_and_the_lines_for_a_shell(open_page):
    app = open_page("export")
    assert "not fine-tuned" in app.radio[0].options[0]
    assert "sfp-viz prune lenet5_digits.plan.json --model lenet5_digits" in app.code[0].value


# fine-tune


def test_fine_tune_starts_with_settings_that_suit_the_digits(open_page):
    app = open_page("finetune")
    values = {n.label: n.value for n in app.number_input}
    assert values["Epochs"] == 15
    assert "No runs yet" in said(app)


# learn


def test_the_lesson_answers_only_after_a_guess(open_page):
    app = open_page("learn")
    assert "Shown here: 8 clusters. Below, each layer has as many clusters as kept" in said(app)
    button = next(b for b in app.button if b.label == "Prune three times and measure")
    assert button.disabled
    guess = next(r for r in app.radio if "Which filters should be pruned" in r.label)
    guess.set_value("Random filters").run()
    press(app, "Prune three times and measure")
    assert "360 test images" in said(app)
    press(app, "Restart the lesson")
    assert "Choose an answer first" in said(app)


def test_the_quiz_says_why(open_page):
    app = open_page("learn")
    quiz = next(r for r in app.radio if "How many MACs" in r.label)
    quiz.set_value("Half").run()
    assert "Not quite: About three quarters." in said(app)
