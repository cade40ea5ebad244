"""Compare, 'Plans': two plans side by side, and only what differs."""

from __future__ import annotations

import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, plan_to_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from sfp_viz.ui.session.tree import Tree
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"
STATES = ("Unpruned", "A", "B", "B vs. A")


@pytest.fixture
def stepped(unopened):
    """The app after one step by hand: conv2 keeps 36 of its 48 filters."""

    def stepped(edits: Edits | None = None):
        edits = edits or Edits(loaders.digest(MODEL)).with_ratio("conv2", 0.25)
        tree = Tree()
        for time, made in enumerate((None, edits)):
            tree, _ = tree.with_step(time - 1, model=MODEL, recipe=Recipe(), edits=made, time=1.0)
        history = History(Session()).push(Session(edits=edits, step=1))
        unopened.session_state["session"], unopened.session_state["steps"] = history, tree
        unopened.session_state["views"] = {"compare": "Plans"}
        app = unopened.run().switch_page("pages/compare.py").run()
        assert not app.exception
        return app

    return stepped


def test_the_step_before_and_the_plan_now_are_compared_at_once(stepped):
    app = stepped()
    assert [box.label for box in app.selectbox] == ["Plan A", "Plan B"]
    costs, groups, wishes = (table.value for table in app.dataframe)
    assert list(costs["Computed"]) == ["MACs", "Params", "Peak activation memory"]
    assert costs["B vs. A"][0].startswith(("−", "+", "no change"))
    by_name = groups.set_index("Group")
    assert by_name.loc["conv2", "B keeps"] == 36
    assert list(wishes["Setting"]) == ["conv2: share pruned, set manually"]
    assert list(wishes["B"]) == ["25 % of its filters"]


def test_the_numbers_are_those_of_the_plans(stepped):
    app = stepped()
    groups = app.dataframe[1].value.set_index("Group")
    a = planned.plan(MODEL, Request(Recipe()))
    edits = Edits(loaders.digest(MODEL)).with_ratio("conv2", 0.25)
    b = planned.plan(MODEL, Request(Recipe(), edits))
    for name, row in groups.iterrows():
        gone_a, gone_b = set(a.removed(name)), set(b.removed(name))
        assert row["A keeps"] == row["Filters"] - len(gone_a)
        assert row["B keeps"] == row["Filters"] - len(gone_b)
        assert row["Pruned only in A"].split(" and ")[0].split(", ")[0] in {
            str(unit) for unit in gone_a - gone_b
        } | {""}
    assert f"A is plan {a.hash[:6]}, B is plan {b.hash[:6]}" in said(app)


def test_a_plan_compared_with_itself_shows_no_difference(stepped):
    app = stepped()
    app.selectbox[0].set_value("step 1").run()
    assert not app.exception
    assert "identical" in said(app)
    assert len(app.dataframe) == 1


def test_the_plain_way_is_always_there_to_compare_with(stepped):
    app = stepped()
    app.selectbox[0].set_value("uniform").run()
    assert not app.exception
    assert "Allocation across groups" in list(app.dataframe[-1].value["Setting"])


def test_going_on_with_a_plan_is_a_step_that_can_be_undone(stepped):
    app = press(stepped(), "Continue with A")
    history = app.session_state["session"]
    assert history.current.edits is None
    assert history.past[-1].edits is not None


def offered(app, plan: Plan):
    file = ("other.json", plan_to_json(plan).encode(), "application/json")
    app.file_uploader[0].set_value(file).run()
    assert not app.exception
    return app


def test_a_plan_file_can_be_compared(stepped):
    plan = planned.plan(MODEL, Request(Recipe(0.3)))
    app = offered(stepped(), plan)
    app.selectbox[0].set_value("file other.json").run()
    assert not app.exception
    assert "Target reduction" in list(app.dataframe[-1].value["Setting"])


def test_a_plan_of_other_weights_is_refused_in_a_sentence(stepped):
    app = offered(stepped(), Plan("0" * 16, Recipe(), Edits("0" * 16), ()))
    assert "made for other weights" in app.error[0].value.replace("\\", "")
    assert app.selectbox[0].options[-1].startswith("Uniform")


def test_a_target_out_of_reach_is_said_and_the_choice_stays(stepped):
    digest = loaders.digest(MODEL)
    app = stepped(Edits(digest, protected=("conv1", "conv2")))
    assert len(app.error) == 1
    assert len(app.selectbox) == 2
