"""The page Plan offers what images show, and takes it once they have been looked at."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.evidence.study import Study, study_to_dict
from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.observation_file import save_observations
from sfp_viz.runs.folder import list_runs
from sfp_viz.runs.storage.records import Finding
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from sfp_viz.ui.studies.study_start import StudyRequest
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"
LOOK, USE = "Improve the plan with images", "Use the image evidence"


@pytest.fixture
def started(monkeypatch) -> list[Path]:
    """Folders whose worker was to be started; none is."""
    found: list[Path] = []
    monkeypatch.setattr("sfp_viz.ui.studies.study_panel.process.launch", found.append)
    return found


@pytest.fixture(scope="module")
def seen():
    return observe(load_model(MODEL), load_data("digits", "train", limit=64))


def looked_at(run: Path, seen) -> None:
    """Write what a finished look at images leaves in the folder ``run``."""
    run.mkdir(parents=True, exist_ok=True)
    settings = {"format": 1, "kind": "observe", "name": MODEL, "data": "digits", "created": 0}
    settings |= {"settings": study_to_dict(Study("observe")), "facts": {"digest": seen.digest}}
    (run / "settings.json").write_text(json.dumps(settings))
    save_observations(seen, run / "observations.safetensors")
    finding = Finding(seen.digest, "observations.safetensors", "digits, train", 64, 1.0, 0.0, 1.0)
    (run / "result.json").write_text(json.dumps(asdict(finding)))


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def recipe(app: AppTest) -> Recipe:
    return app.session_state["session"].current.recipe


def test_images_are_looked_at_and_the_recipe_changes_in_one_step(
    open_page, workspace, started, seen
):
    app = open_page("plan")
    mine = Recipe(target_reduction=0.4, rounding=2, goal="params", coupled="shared")
    app.session_state["session"] = History(Session(recipe=mine))
    press(app.run(), LOOK)
    assert len(started) == 1
    assert LOOK not in labels(app)
    assert recipe(app) == mine
    looked_at(started[0], seen)
    app.run()
    assert recipe(app) == replace(
        recipes.functional(0.4), rounding=2, goal="params", coupled="shared"
    )
    assert "using 64 training images of digits" in said(app)
    assert app.session_state["session"].past[-1].recipe == mine
    assert len(app.session_state["session"].past) == 1


def test_a_study_that_was_asked_for_twice_is_started_once(open_page, workspace, started, seen):
    app = press(open_page("plan"), LOOK)
    app.session_state["study_asked"] = StudyRequest(seen.digest, Study("observe"), "digits")
    app.run()
    assert not app.exception
    assert len(started) == len(list_runs(workspace)) == 1
    assert "study_asked" not in app.session_state


def test_a_start_that_was_broken_off_begins_again(open_page, started, seen):
    app = open_page("plan")
    app.session_state["study_asked"] = StudyRequest(seen.digest, Study("latency"), "")
    app.run()
    assert not app.exception
    assert len(started) == 1


def test_what_images_showed_is_used_on_a_click_and_not_taken_unasked(open_page, workspace, seen):
    looked_at(workspace / "runs" / "seen", seen)
    app = open_page("plan")
    assert recipe(app) == Recipe()
    assert LOOK not in labels(app)
    press(app, USE)
    assert recipe(app) == recipes.functional()
    assert USE not in labels(app)


def test_without_the_images_on_this_machine_nothing_is_offered(open_page):
    app = open_page("plan")
    app.session_state["session"] = History(Session(model="resnet20_cifar10"))
    app.run()
    assert not app.exception
    assert LOOK not in labels(app)


def test_the_start_page_lists_a_study_in_words(open_page, workspace, seen):
    looked_at(workspace / "runs" / "seen", seen)
    assert any(label.endswith(": image analysis, finished") for label in labels(open_page("start")))
