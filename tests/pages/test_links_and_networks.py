"""Links to what is not there, and a switch to a network for which the recipe does not apply."""

from __future__ import annotations

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe, functional
from sfp_viz.nets.io import samples
from sfp_viz.ui.navigation import request_code
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import press, said


def framed(app):
    """The page with the bar above it: after a click AppTest runs an inner page alone."""
    return app.switch_page("pages/start.py").run().switch_page("app.py").run()


def test_another_network_shows_a_plan_and_says_what_its_recipe_lost(unopened):
    digest = samples.sample_network("lenet5_digits").digest
    edits = Edits(digest).with_ratio("conv2", 0.25)
    unopened.session_state["session"] = History(Session(recipe=functional(0.4), edits=edits))
    app = unopened.run().switch_page("pages/model.py").run()
    app.segmented_control(key="open kind").set_value("A sample").run()
    app.selectbox(key="sample").set_value("resnet20_cifar10").run()
    app = press(app, "Open")
    assert not app.exception
    session = app.session_state["session"].current
    assert (session.model, session.recipe, session.edits) == ("resnet20_cifar10", Recipe(0.4), None)
    app = framed(app)
    assert "image evidence" in said(app)
    assert "manual changes belong to the previous network" in said(app)
    assert "no plan without" not in "".join(element.proto.body for element in app.get("html"))
    app = press(app, "Undo")
    assert app.session_state["session"].current.recipe == functional(0.4)
    assert app.session_state["session"].current.edits == edits
    assert "manual changes belong" not in said(framed(app))


def test_a_link_to_what_is_not_here_says_so_until_it_is_dismissed(unopened):
    unopened.query_params["model"] = "0123456789abcdef"
    unopened.query_params["runs"] = "no-such-run"
    app = unopened.run()
    assert not app.exception
    assert "0123456789abcdef" in said(app)
    assert "run of this link is not in this workspace" in said(app)
    app = framed(press(app, "Dismiss"))
    assert "# LeNet" in said(app)
    assert "0123456789abcdef" not in said(app)


def test_a_link_with_a_plan_opens_it_in_a_workspace_that_never_saw_it(unopened):
    digest = samples.sample_network("lenet5_digits").digest
    edits = Edits(digest).with_ratio("conv2", 0.25)
    unopened.query_params["plan"] = request_code.encode(Recipe(0.3), edits)
    app = unopened.run()
    assert not app.exception
    session = app.session_state["session"].current
    assert (session.recipe, session.edits) == (Recipe(0.3), edits)
    assert not [button for button in app.button if button.label == "Dismiss"]
