"""The saved session of a browser session: kept in the workspace, brought back by a reload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import streamlit as st

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.navigation import links, saved_sessions
from sfp_viz.ui.session import state, view_options
from sfp_viz.ui.session.state import Session


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    monkeypatch.setattr(st, "session_state", {})
    return tmp_path


def walk(*targets: float) -> None:
    for target in targets:
        state.change(recipe=Recipe(target))


def reload(monkeypatch, name: str) -> None:
    """A new browser session whose address is the old one's."""
    query = {**links.to_query(state.session()), "line": name}
    monkeypatch.setattr(st, "session_state", {})
    links.open_link(query)


def test_nothing_is_written_before_something_was_done(workspace):
    state.start(Session())
    assert saved_sessions.save() == ""
    assert not (workspace / "lines").exists()


def test_a_reload_brings_back_the_plan_its_undo_its_redo_and_its_branches(monkeypatch):
    state.start(Session())
    walk(0.2, 0.3, 0.4)
    state.undo()
    walk(0.6, 0.7)
    state.undo()
    before, tree = state.history(), state.tree()
    reload(monkeypatch, saved_sessions.save())
    assert state.tree() == tree
    assert state.history().current == before.current
    assert state.history().past == before.past
    assert state.history().future == before.future
    state.redo()
    assert state.session().recipe == Recipe(0.7)


def test_two_browser_sessions_from_one_address_write_two_lines(monkeypatch, workspace):
    state.start(Session())
    walk(0.2)
    name = saved_sessions.save()
    text = (workspace / "lines" / f"{name}.json").read_text()
    reload(monkeypatch, name)
    assert saved_sessions.save() == name, "nothing was done yet, so the address stays"
    walk(0.3)
    other = saved_sessions.save()
    assert other != name
    assert (workspace / "lines" / f"{name}.json").read_text() == text


def test_names_come_back_and_a_step_can_be_found_by_its_plan(monkeypatch):
    state.start(Session())
    walk(0.2, 0.3)
    state.name_step(1, "A")
    name = saved_sessions.save()
    monkeypatch.setattr(st, "session_state", {})
    links.open_link({"target": "0.2", "line": name})  # the address of an earlier moment
    assert state.tree().by_id[1].name == "A"
    assert state.session().recipe == Recipe(0.2)
    assert [session.recipe for session in state.history().past] == [Recipe()]


@pytest.mark.parametrize("name", ["", "0" * 16, "../../etc/passwd", "x" * 16, "A" * 4000])
def test_a_line_that_is_not_there_is_passed_over(name):
    links.open_link({"target": "0.3", "line": name})
    assert state.session() == Session(recipe=Recipe(0.3))
    assert len(state.tree().steps) == 1


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '{"format": 2}', '{"format": 1}', "[" * 9999,
        '{"format": 1, "steps": [1], "past": [], "now": 0, "future": []}',
        '{"format": 1, "steps": [], "past": {}, "now": "x", "future": []}',
        json.dumps({
            "format": 1, "past": [0, 5], "now": 0, "future": [7],
            "steps": [{"id": 0, "parent": 0, "time": 0, "model": "../x", "asked": "../y",
                       "name": "<b>"}],
        }),
    ],
)  # fmt: skip
def test_a_line_that_is_damaged_is_passed_over(workspace, content):
    path = workspace / "lines" / f"{'a' * 16}.json"
    path.parent.mkdir()
    path.write_text(content)
    links.open_link({"target": "0.3", "line": "a" * 16})
    assert state.session() == Session(recipe=Recipe(0.3))
    assert len(state.tree().steps) == 1


def test_going_to_a_step_of_the_tree_is_one_step_that_can_be_undone():
    state.start(Session())
    walk(0.2, 0.3)
    state.go_to_step(1)
    assert state.session().recipe == Recipe(0.2)
    assert len(state.tree().steps) == 3, "going somewhere makes no new plan"
    state.undo()
    assert state.session().recipe == Recipe(0.3)
    state.go_to_step(99)
    assert state.session().recipe == Recipe(0.3)


def test_a_branch_grows_after_undo_and_a_new_edit():
    state.start(Session())
    walk(0.2, 0.3)
    state.undo()
    walk(0.4)
    assert [step.parent for step in state.tree().steps] == [-1, 0, 1, 1]
    state.undo()
    walk(0.3)  # the same again from the same place
    assert len(state.tree().steps) == 4


def test_ten_undos_and_ten_redos_give_the_same_plan_hash():
    state.start(Session())
    edits = loaders.edits_of(state.session())
    for step in range(10):
        edits = edits.with_ratio("conv2", (step + 1) / 48)
        state.change(edits=edits)
    now = state.session()
    made = planned.plan(now.model, now.request).hash
    for _ in range(10):
        state.undo()
    assert state.session() == Session()
    for _ in range(10):
        state.redo()
    now = state.session()
    assert planned.plan(now.model, now.request).hash == made
    assert now.step == 10


def test_how_a_page_shows_its_things_stands_in_the_link_and_nothing_else_does():
    view_options.apply_query("map-PCA.plan-Nonsense.other-x.compare-<b>..-.")
    assert view_options.current_option("map") == "PCA"
    assert view_options.to_query() == "map-PCA"
    view_options.set_option("map", "UMAP")
    assert view_options.to_query() == ""


def test_a_new_browser_session_is_offered_where_the_last_one_stood(monkeypatch):
    state.start(Session())
    assert saved_sessions.last_session() is None  # an empty workspace
    walk(0.2, 0.3)
    state.undo()
    before = state.session()
    assert saved_sessions.last_session() is None  # this session has steps of its own
    name = saved_sessions.save()
    monkeypatch.setattr(st, "session_state", {})
    state.start(Session())
    last = saved_sessions.last_session()
    assert last is not None
    assert (last.name, last.step.plan_key) == (name, (before.model, before.recipe, before.edits))
    saved_sessions.resume_last(last)
    assert state.session() == before
    assert state.history().future[0].recipe == Recipe(0.3)  # its redo is there too
    assert saved_sessions.last_session() is None


def test_a_line_that_cannot_be_read_is_passed_over_for_the_one_before(monkeypatch, workspace):
    state.start(Session())
    walk(0.2)
    name = saved_sessions.save()
    for broken in ("{", '{"format": 1, "steps": [], "now": 3}', "[]"):
        (workspace / "lines" / "f000000000000000.json").write_text(broken)
        monkeypatch.setattr(st, "session_state", {})
        state.start(Session())
        last = saved_sessions.last_session()
        assert last is not None
        assert last.name == name


def test_a_line_that_stands_at_the_plan_on_the_screen_is_not_offered(monkeypatch):
    state.start(Session())
    walk(0.2)
    state.undo()
    saved_sessions.save()
    monkeypatch.setattr(st, "session_state", {})
    state.start(Session())
    assert saved_sessions.last_session() is None
