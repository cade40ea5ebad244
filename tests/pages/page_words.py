"""What the tests of pages share: what a page says, and pressing a button."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from sfp_viz.nets.io.samples import sample_network


def said(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def press(app: AppTest, label: str) -> AppTest:
    button = next(b for b in app.button if b.label == label)
    assert not button.disabled
    button.click().run()
    assert not app.exception
    return app


def choose_images(app: AppTest, name: str, model: str = "lenet5_digits") -> AppTest:
    """Take ``name`` for the images of a sample, whether it is offered or typed."""
    app.session_state["images_of"] = {sample_network(model).digest: name}
    app.run()
    assert not app.exception
    return app


def undo(app: AppTest) -> AppTest:
    """Press Undo in the frame. AppTest runs an inner page without it, so this goes by Start."""
    return press(app.switch_page("app.py").run(), "Undo")
