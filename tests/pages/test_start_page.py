"""The Start page: a network is on the screen, and everything else is one click away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import streamlit as st

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.io import model_store as store
from sfp_viz.nets.io import samples
from sfp_viz.nets.io.load import load_model
from sfp_viz.ui import start
from sfp_viz.ui.navigation import saved_sessions
from sfp_viz.ui.session import state
from tests.pages.page_words import said

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_sample_is_on_the_screen_without_a_click(unopened):
    app = unopened.run()
    assert not app.exception
    assert "LeNet-5-like on digits" in said(app).replace("\\", "")
    assert "conv2" in said(app)
    assert "start map" in [element.key for element in app.get("bidi_component")]


def test_it_says_what_was_measured_and_on_how_many_images(open_page):
    assert "accuracy on 360 test images (measured after training" in said(open_page("start"))


def test_it_says_what_the_network_is_made_of_and_claims_no_more_than_holds(open_page):
    words = said(open_page("start"))
    assert "2 convolutions and 1 linear layer in 3 groups. All of them can be pruned." in words
    assert "Among convolutions, this layer is the most redundant one" in words


def test_only_the_least_spread_layer_is_said_to_repeat_itself_most():
    network = samples.sample_network("lenet5_digits")
    found = {"conv1": 0.9, "conv2": 0.7, "fc1": 0.8}
    assert start.dispersion_note(network, found, "conv2").startswith(
        "This layer is the most redundant"
    )
    assert start.dispersion_note(network, found, "fc1").startswith("Kernel Dispersion 0.80")
    assert start.dispersion_note(network, dict.fromkeys(found, 1.0), "fc1").startswith(
        "No layer is very redundant"
    )


def test_another_sample_opens_with_one_click(open_page):
    others = [name for name in samples.sample_names() if name != "lenet5_digits"]
    if not others:
        return
    app = open_page("start")
    app.button(key=f"open {others[0]}").click().run()
    assert not app.exception
    assert app.session_state["session"].current.model == others[0]
    assert app.session_state["session"].past


def test_a_network_opened_before_is_offered_again(open_page, workspace):
    key = store.import_model(workspace, load_model("lenet5_digits"))
    app = open_page("start")
    app.button(key=f"stored {key}").click().run()
    assert not app.exception
    assert app.session_state["session"].current.model == key


def test_explore_keeps_the_layer_that_was_looked_at(open_page):
    app = open_page("start")
    app.button(key="explore").click().run()
    assert not app.exception
    assert app.session_state["session"].current.group == "conv2"


def test_start_says_what_the_app_is_for(open_page):
    assert "Make a trained network smaller" in said(open_page("start"))


def test_after_the_tab_was_closed_start_leads_back_to_the_plan_that_was_made(open_page):
    app = open_page("start")
    assert "Resume your last session" not in said(app)
    with_session(app, state.change, recipe=Recipe(0.3))
    app = open_page("start")  # another browser session of the same workspace, at "/"
    assert "LeNet-5-like on digits, similarity −30." in said(app).replace("\\", "")
    app.button(key="go_on").click().run()
    assert not app.exception
    assert app.session_state["session"].current.recipe == Recipe(0.3)
    assert app.session_state["session"].past
    assert "Resume your last session" not in said(app)


def with_session(app, act, **fields) -> None:
    """What ``act`` does in the browser session of ``app``, written down as the frame does."""
    store = {key: app.session_state[key] for key in (state.KEY, state.TREE)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "session_state", store)
        act(**fields)
        saved_sessions.save()


def test_the_frame_shows_the_cost_before_and_after(unopened):
    app = unopened.run()
    strip = "".join(block.body for block in app.html if "budget" in block.body)
    assert "MACs" in strip
    assert "→" in strip
    assert "computed" in strip


def test_the_first_picture_needs_neither_torch_nor_sklearn(workspace):
    import subprocess

    code = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        "app = AppTest.from_file(sys.argv[1], default_timeout=60).run();"
        "assert not app.exception and app.get('bidi_component');"
        "sys.exit(','.join(m for m in ('torch','sklearn','umap')"
        " if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "app.py")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]


def test_where_the_bar_of_pages_is_folded_away_the_page_says_its_name(open_page):
    app = open_page("start").switch_page("app.py").run()
    assert any('h1::before{content:"Start"' in block.body for block in app.html)


def test_networks_of_the_workspace_are_renamed_and_deleted(open_page, workspace):
    model = load_model("lenet5")
    digest = store.import_model(workspace, model)
    app = open_page("start")
    app.text_input(key=f"name {digest}").set_value("my own").run()
    app.button(key=f"rename {digest}").click().run()
    assert store.stored_models(workspace)[0].name == "my own"
    assert not app.exception
    app.button(key=f"delete {digest}").click().run()
    assert not app.exception
    assert store.stored_models(workspace) == ()
