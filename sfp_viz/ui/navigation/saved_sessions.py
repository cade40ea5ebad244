"""What one browser session did, saved in the workspace: its tree of steps, undo and redo.

The address names the saved session, so a reload restores it. Each browser session writes a file of
its own: after a reload, or in another browser, the earlier file is read once and a new one is
begun, so nobody changes another's steps.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.files import write_text
from sfp_viz.nets.io import samples
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation import saved_requests
from sfp_viz.ui.session import state
from sfp_viz.ui.session.history import MOST, History
from sfp_viz.ui.session.state import Session
from sfp_viz.ui.session.tree import Step, Tree

FORMAT = 1
# session_state: the name of this session's file, the name of the one it was read from, what was
# written last, and the names of saved requests
_NAME, _READ_FROM, _SAVED, _REQUESTS = "line", "line read", "line saved", "line asked"
_FILES = 300  # sessions kept in a workspace; the oldest are deleted
_TRIED = 5  # newest files in which a session to resume is looked for
_VALID_NAME = re.compile(r"[0-9a-f]{16}")


def save() -> str:
    """Write this browser session if it changed; returns its name, or '' while nothing was done.

    Raises:
        OSError: the workspace cannot be written.
    """
    steps, position = state.tree(), _position()
    if len(steps.steps) < 2 or st.session_state.get(_SAVED) == position:
        return st.session_state.get(_NAME) or st.session_state.get(_READ_FROM, "")
    if _NAME not in st.session_state:
        st.session_state[_NAME] = secrets.token_hex(8)
        _delete_oldest()
    value = {
        "format": FORMAT, "steps": [row for step in steps.steps if (row := _to_json(step))],
        "past": position[1], "now": position[2], "future": position[3],
    }  # fmt: skip
    write_text(_path(st.session_state[_NAME]), json.dumps(value), parents=True)
    st.session_state[_SAVED] = position
    return st.session_state[_NAME]


def resume(name: str, session: Session) -> bool:
    """Begin this browser session with a saved one.

    Args:
        name: Name of the saved session.
        session: The session that a link gives; its plan must be one of the saved steps.

    Returns:
        Whether that was possible.
    """
    if saved := load(name, session):
        state.start(*saved)
        st.session_state[_READ_FROM], st.session_state[_SAVED] = name, _position()
    return saved is not None


@dataclass(frozen=True)
class LastSession:
    """A saved session.

    Attributes:
        name: Its name.
        step: The step it was at when it was last written.
        time: When that was, in seconds since 1970.
    """

    name: str
    step: Step
    time: float


def last_session() -> LastSession | None:
    """The newest saved session of the workspace, to resume in a new browser session.

    None if there is none, if it is at the plan on the screen, and once this browser session has
    steps or a file of its own.
    """
    if len(state.tree().steps) > 1 or st.session_state.get(_READ_FROM):
        return None
    current = state.session()
    for file in reversed(_files()[-_TRIED:]):
        last = _read(file)
        if last is not None:
            current_plan = (current.model, current.recipe, current.edits)
            return last if last.step.plan_key != current_plan else None
    return None


def _read(file: Path) -> LastSession | None:
    try:
        value = json.loads(file.read_text())
        row = next(row for row in value["steps"] if row["id"] == value["now"])
        valid = value["format"] == FORMAT and _VALID_NAME.fullmatch(file.stem)
        step = _from_json(row) if valid else None
        return LastSession(file.stem, step, file.stat().st_mtime) if step else None
    except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return None


def resume_last(last: LastSession) -> None:
    """Resume a saved session where it stood; nothing when its file is gone by now."""
    step = last.step
    resume(last.name, Session(step.model, recipe=step.recipe, edits=step.edits))


def _position() -> tuple[Tree, list[int], int, list[int]]:
    """The tree, and the ids of the past steps, the current one and the undone ones."""
    history = state.history()
    return state.tree(), _ids(history.past), history.current.step, _ids(history.future)


def load(name: str, session: Session) -> tuple[History[Session], Tree] | None:
    """The history and the tree of a saved session; None if there is no such file, or if the plan is
    not one of its steps.

    Args:
        name: Name of the saved session.
        session: The current session; the history is returned at its plan.
    """
    try:
        value = json.loads(_path(name).read_text()) if _VALID_NAME.fullmatch(name) else None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            return None
        rows = sorted(value["steps"], key=lambda row: row["id"])
        steps = Tree(tuple(step for row in rows if (step := _from_json(row))))
        ids = [int(value["now"]), *map(int, value["past"]), *map(int, value["future"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    plan_key = (session.model, session.recipe, session.edits)
    step = steps.step(ids[0])
    if step is not None and step.plan_key == plan_key:
        past, future = ids[1 : 1 + len(value["past"])], ids[1 + len(value["past"]) :]
    elif step := steps.find(plan_key):
        past, future = list(steps.path(step.id))[:-1], []
    else:
        return None
    current = replace(session, step=step.id)
    before, after = (_sessions(steps, step_ids[-MOST:]) for step_ids in (past, future))
    return History(current, before, after, len(before)), steps


def _sessions(steps: Tree, ids: list[int]) -> tuple[Session, ...]:
    by_id = steps.by_id
    steps_in_order = [by_id[step_id] for step_id in ids if step_id in by_id]
    return tuple(
        Session(s.model, recipe=s.recipe, edits=s.edits, step=s.id) for s in steps_in_order
    )


def _to_json(step: Step) -> dict[str, Any] | None:
    """A step as JSON; None when its network is gone."""
    names = st.session_state.setdefault(_REQUESTS, {})
    if step.plan_key not in names:
        try:
            digest = _digest(step.model)
            names[step.plan_key] = saved_requests.save(digest, step.recipe, step.edits)
        except SfpError:
            return None
    return {
        "id": step.id, "parent": step.parent, "time": step.time, "model": step.model,
        "asked": names[step.plan_key], "name": step.name,
    }  # fmt: skip


def _from_json(row: Mapping[str, Any]) -> Step | None:
    """A row of a file as a step; None when its network or its request is gone."""
    model = str(row["model"])
    try:
        request = saved_requests.load(str(row["asked"]), _digest(model))
    except SfpError:
        return None
    if request is None:
        return None
    step = Step(int(row["id"]), int(row["parent"]), float(row["time"]), model, *request)
    return Tree((step,)).with_name(step.id, str(row["name"])).steps[0]


def _digest(model: str) -> str:
    """The digest of a network; for a stored one its key, so that nothing is loaded for it."""
    return loaders.digest(model) if model in samples.sample_names() else model


def _ids(sessions: tuple[Session, ...]) -> list[int]:
    return [session.step for session in sessions]


def _path(name: str) -> Path:
    return loaders.home() / "lines" / f"{name}.json"


def _delete_oldest() -> None:
    """Delete the oldest saved sessions of the workspace."""
    files = _files()
    for file in files[: max(len(files) - _FILES + 1, 0)]:
        file.unlink(missing_ok=True)


def _files() -> list[Path]:
    """The files of saved sessions, the newest last."""
    dated = []
    for file in _path("x").parent.glob("*.json"):
        with suppress(OSError):  # another session deleted it
            dated.append((file.stat().st_mtime, file))
    return [file for _, file in sorted(dated)]
