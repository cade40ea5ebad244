"""What pages say of the repair: what was left out, how well fits do, and what is going on."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.nets.io import samples
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.model_store import import_model, stored_path
from sfp_viz.ui import progress_line
from sfp_viz.ui.cached import planned, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import checks, compensation_view
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import choose_images, press, said

MODEL = "lenet5_digits"
REPAIRED = Recipe(compensation="lsq_window")


def with_session(app: AppTest, **fields) -> AppTest:
    app.session_state["session"] = History(Session(**fields))
    app.run()
    assert not app.exception
    return app


def without_images(app: AppTest) -> AppTest:
    return choose_images(app, "cifar10")


def test_the_check_shows_the_error_of_each_refitted_layer_on_seen_and_on_new_images(open_page):
    app = press(with_session(open_page("check"), recipe=REPAIRED), "Prune and measure")
    table = next(d.value for d in app.dataframe if "New images: after" in d.value.columns)
    layers = pruned.report(MODEL, Request(REPAIRED), "digits").layers
    assert list(table["Layer"]) == [layer.name for layer in layers]
    for row, layer in zip(table.to_dict("records"), layers, strict=True):
        assert row["After"] == pytest.approx(100 * layer.seen.after)
        assert row["New images: before"] == pytest.approx(100 * layer.unseen.before)
        assert row["New images: after"] == pytest.approx(100 * layer.unseen.after)
        assert row["After"] < row["Before"]
    assert "on new images" in said(app)
    assert "128 test images of digits" in said(app)
    assert "'fc1' is refitted channel by channel" in said(app).replace("\\", "")
    warnings = [warning.value for warning in app.warning]
    assert not [text for text in warnings if "slower on this machine" not in text]  # it may be busy


def test_a_check_without_a_fit_shows_no_errors_of_fits(open_page):
    app = press(open_page("check"), "Prune and measure")
    assert not [d for d in app.dataframe if "New images: after" in d.value.columns]


def test_a_check_without_images_names_the_repair_that_was_left_out(open_page):
    app = without_images(with_session(open_page("check"), recipe=REPAIRED))
    press(app, "Prune and measure")
    text = app.warning[0].value.replace("\\", "")
    assert "'Least squares per window' needs images, and none were given" in text
    assert "BatchNorm" not in text  # LeNet-5 has none
    assert "Choose images" in text


@pytest.mark.parametrize(("kind", "warned"), [("lsq_window", True), ("merge", False)])
def test_an_export_without_images_says_what_it_lacks(open_page, kind, warned):
    app = without_images(with_session(open_page("check"), recipe=Recipe(compensation=kind)))
    app.switch_page("pages/export.py").run()
    assert not app.exception
    text = said(app).replace("\\", "")
    assert ("needs images, and none were given" in text) is warned
    assert ("Choose images on the Check page" in text) is warned


def test_only_a_network_with_batch_norm_is_said_to_keep_its_statistics():
    assert not compensation_view.has_batch_norm(samples.sample_network(MODEL))
    assert compensation_view.has_batch_norm(samples.sample_network("resnet20_cifar10"))


def test_an_export_with_images_lacks_nothing(open_page):
    app = with_session(open_page("export"), recipe=REPAIRED)
    assert not app.warning
    assert "old statistics" not in said(app)


def test_a_dead_layer_is_warned_of_and_dead_filters_are_counted(open_page, workspace):
    model = load_model(MODEL)
    with torch.no_grad():
        model.module.conv2.weight[:] = 0
        model.module.conv1.weight[2] = 0
    key = import_model(workspace, model.with_module(model.module))
    app = with_session(open_page("model"), model=key)
    assert "Every filter of 'conv2' is dead" in app.warning[0].value.replace("\\", "")
    assert "conv1 1 of 20" in said(app).replace("\\", "")
    assert not with_session(app, model=MODEL).warning


def test_each_step_of_a_check_is_told(workspace):
    lines: list[str] = []
    pruned.model(MODEL, Request(REPAIRED), "digits", progress=lines.append)
    starts = (
        "Comparing the",
        "Choosing the filters",
        "Finding the layers",
        "Refitting 'conv2'",
        "Pruning a copy",
    )
    places = [next(i for i, line in enumerate(lines) if line.startswith(s)) for s in starts]
    assert places == sorted(places)
    lines.clear()
    pruned.model(MODEL, Request(REPAIRED), "digits", progress=lines.append)
    assert lines == []
    checks.measure_check(Subject(MODEL, Request(REPAIRED), "digits"), progress=lines.append)
    assert "Measuring the unpruned network: 0 of 360 images" in lines
    assert lines[-1] == "Measuring the pruned network: 0 of 360 images"


def test_a_reading_of_an_older_version_is_told_step_by_step_on_the_page(workspace, monkeypatch):
    from sfp_viz.ui.cached import loaders

    key = import_model(workspace, load_model(MODEL))
    reading = stored_path(workspace, key).with_name("reading.json")
    old = json.loads(reading.read_text())
    del old["covers"]
    reading.write_text(json.dumps(old, sort_keys=True))
    drawn: list[str] = []
    monkeypatch.setattr(progress_line.st, "empty", lambda: Place(drawn))
    assert loaders.network(key).digest == key
    assert all("older version and is traced again: " in line for line in drawn[:-1])
    assert any("tied layers" in line for line in drawn)
    assert drawn[-1] == "(gone)"
    drawn.clear()
    loaders.network(key)
    assert drawn == []


class Place:
    """Stands for st.empty()."""

    def __init__(self, drawn: list[str]) -> None:
        self._drawn = drawn

    def status(self, text: str) -> None:
        self._drawn.append(text.replace("\\", ""))

    def empty(self) -> None:
        self._drawn.append("(gone)")


def told_inside_a_cache() -> None:
    import streamlit as st

    from sfp_viz.ui import progress_line as progress_line

    @st.cache_resource(show_spinner=False)
    def work(_progress):
        _progress("one * two")
        return 3

    with progress_line.reporter() as progress:
        st.session_state["found"] = work(progress)
        st.session_state["seen"] = True


def test_a_line_from_a_cached_function_is_drawn_once_and_never_replayed(workspace):
    app = AppTest.from_function(told_inside_a_cache).run()
    assert not app.exception
    assert app.session_state["found"] == 3
    assert not app.caption  # gone with the block
    app.run()
    assert not app.exception  # a replay into a place that is gone would be one
    assert not app.caption


def test_a_stop_that_comes_with_a_line_ends_the_work_and_keeps_nothing(workspace):
    class Stopped(BaseException):
        """As Streamlit stops a script."""

    def stop(line: str) -> None:
        if line.startswith("Refitting"):
            raise Stopped

    with pytest.raises(Stopped):
        pruned.model(MODEL, Request(REPAIRED), "digits", progress=stop)
    assert np.isfinite(planned.plan(MODEL, Request(REPAIRED)).removals[0].filters).all()
    assert pruned.model(MODEL, Request(REPAIRED), "digits").plans
