"""What was measured on a click is there again after a reload, and only for the plan it is of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import streamlit as st

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.runs.results.measurements import MeasurementKey, save_measurement
from sfp_viz.ui.cached import loaders, measurements, planned, pruned
from sfp_viz.ui.session.history import History
from tests.pages.page_words import press, said


@pytest.fixture
def afresh(monkeypatch):
    """From its call on, nothing is remembered but the workspace, and nothing may be cut."""

    def forget() -> None:
        st.cache_resource.clear()
        for name in ("_prune", "_pruned_accuracy", "accuracy"):
            monkeypatch.setattr(pruned, name, lambda *_, **__: pytest.fail("it was cut anew"))

    return forget


def test_a_measurement_of_version_0_1_is_found_by_the_hash_that_it_had(workspace):
    model, request = "lenet5_digits", Request(Recipe())
    first = planned.plan(model, request).version_1_hash
    assert first != planned.plan(model, request).hash
    save_measurement(workspace, MeasurementKey("check", loaders.digest(model), first, ""), {"x": 1})
    found = measurements.find("check", measurements.Subject(model, request))
    assert found is not None
    assert found.value == {"x": 1}
    other = Request(Recipe(0.4))
    assert measurements.find("check", measurements.Subject(model, other)) is None


def go_to(app, recipe: Recipe) -> None:
    """Another plan, as on the page Plan."""
    now = app.session_state["session"].current
    app.session_state["session"] = History(replace(now, recipe=recipe))
    app.run()
    assert not app.exception


def test_a_check_is_shown_again_after_a_reload_and_says_when_it_was_made(open_page, afresh):
    app = press(open_page("check"), "Prune and measure")
    first = {metric.label: metric.value for metric in app.metric}
    press(app, "Measure each stage")
    stages = next(d.value for d in app.dataframe if "Stage" in d.value)
    afresh()
    app = open_page("check")
    assert {metric.label: metric.value for metric in app.metric} == first
    assert "Measured today at" in said(app)
    assert next(d.value for d in app.dataframe if "Stage" in d.value).equals(stages)
    go_to(app, Recipe(0.4))
    assert not app.metric
    assert "have changed since the last check" in said(app)
    go_to(app, Recipe())
    assert {metric.label: metric.value for metric in app.metric} == first


def test_one_shot_accuracies_are_shown_again_after_a_reload(open_page, afresh):
    app = press(open_page("compare"), "Measure one-shot accuracies")
    first = next(d.value for d in app.dataframe if "Network" in d.value)
    assert "this plan, one-shot" in list(first["Network"])
    afresh()
    app = open_page("compare")
    assert next(d.value for d in app.dataframe if "Network" in d.value).equals(first)
    assert "One-shot accuracies: measured today at" in said(app)
    go_to(app, Recipe(0.4))
    assert "Nothing has been measured yet" in said(app)
