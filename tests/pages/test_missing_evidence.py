"""A plan that waits for a measurement says so everywhere, and never that its target is too high."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.plan.recipe import Recipe, functional
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import said


def frame(app: AppTest) -> str:
    return next(block.body for block in app.html if 'class="budget"' in block.body)


@pytest.mark.parametrize(
    ("recipe", "short", "sentence"),
    [
        (
            Recipe(goal="latency"),
            "no plan without the latency of each layer on this machine: see Plan",
            "The latency goal needs the latency of each layer on this machine, which has not",
        ),
        (
            functional(),
            "no plan without image evidence: see Plan",
            "This recipe needs image evidence, which is not",
        ),
        (
            functional(goal="latency"),
            "no plan without image evidence and the latency of each layer",
            "This recipe needs image evidence, and its latency goal needs the latency",
        ),
    ],
)
def test_what_is_missing_is_named_and_who_needs_it(unopened, recipe, short, sentence):
    app = unopened
    app.session_state["session"] = History(Session(recipe=recipe))
    app.run()
    assert short in frame(app)
    assert "out of reach" not in frame(app)
    for page in ("plan", "explore"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert sentence in said(app)
        assert "out of reach" not in said(app)


def test_a_target_that_is_too_high_still_says_so(unopened):
    app = unopened
    app.session_state["session"] = History(
        Session(recipe=Recipe(target_reduction=0.98, max_ratio=0.1))
    )
    app.run()
    assert "target cannot be reached: see Plan" in frame(app)
