"""What one browser session did, kept in the workspace: its tree of steps, undo and redo.

The address names the line, so a reload brings it back. Each browser session writes a file of its
own: after a reload, or in another browser, the old line is read once and a new one is begun, so
nobody's steps come under another's hands.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.nets.io import samples
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation import saved_requests
from sfp_viz.ui.session import state
from sfp_viz.ui.session.history import MOST, History
from sfp_viz.ui.session.state import Session
from sfp_viz.ui.session.tree import Step, Tree

FORMAT = 1
_LINE, _READ, _SAVED, _ASKED = "line", "line read", "line saved", "line asked"  # session_state
_FILES = 300  # lines kept in a workspace; the oldest go
_TRIED = 5  # lines that are looked at for one that can be gone on with
_NAME = re.compile(r"[0-9a-f]{16}")


def keep() -> str:
    """Write this session's line if it changed; its name, or '' while nothing was done.

    Raises OSError when the workspace cannot be written.
    """
    steps, now = state.tree(), _state_now()
    if len(steps.steps) < 2 or st.session_state.get(_SAVED) == now:
        return st.session_state.get(_LINE) or st.session_state.get(_READ, "")
    if _LINE not in st.session_state:
        st.session_state[_LINE] = secrets.token_hex(8)
        _tidy()
    value = {
        "format": FORMAT, "steps": [row for step in steps.steps if (row := _row(step))],
        "past": now[1], "now": now[2], "future": now[3],
    }  # fmt: skip
    path = _path(st.session_state[_LINE])
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")
    beside.write_text(json.dumps(value))
    beside.replace(path)
    st.session_state[_SAVED] = now
    return st.session_state[_LINE]


def resume(line: str, session: Session) -> bool:
    """Begin this browser session where ``line`` stood at ``session``; whether it could."""
    if found := kept(line, session):
        state.start(*found)
        st.session_state[_READ], st.session_state[_SAVED] = line, _state_now()
    return found is not None


@dataclass(frozen=True)
class Left:
    """Where a line of steps stood when it was written last: its name, its step at that moment,
    and the time of the writing, in seconds since 1970."""

    line: str
    step: Step
    time: float


def left() -> Left | None:
    """The newest line of the workspace, to go on with in a browser session that did nothing yet;
    None where there is none, and once this session has steps or a line of its own.

    A line that stands at what is on the screen is none to go back to.
    """
    if len(state.tree().steps) > 1 or st.session_state.get(_READ):
        return None
    now = state.session()
    for file in reversed(_files()[-_TRIED:]):
        found = _left(file)
        if found is not None:
            return found if found.step.asked != (now.model, now.recipe, now.edits) else None
    return None


def _left(file: Path) -> Left | None:
    try:
        value = json.loads(file.read_text())
        row = next(row for row in value["steps"] if row["id"] == value["now"])
        step = _step(row) if value["format"] == FORMAT and _NAME.fullmatch(file.stem) else None
        return Left(file.stem, step, file.stat().st_mtime) if step else None
    except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError):
        return None


def go_on(left: Left) -> None:
    """Go on with the line ``left`` where it stood; nothing when it is gone by now."""
    step = left.step
    resume(left.line, Session(step.model, recipe=step.recipe, edits=step.edits))


def _state_now() -> tuple[Tree, list[int], int, list[int]]:
    line = state.history()
    return state.tree(), _ids(line.past), line.now.step, _ids(line.future)


def kept(line: str, session: Session) -> tuple[History[Session], Tree] | None:
    """The history and tree that ``line`` holds, standing at the plan of ``session``.

    None when there is no such line, or when the plan is none of its steps.
    """
    try:
        value = json.loads(_path(line).read_text()) if _NAME.fullmatch(line) else None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            return None
        rows = sorted(value["steps"], key=lambda row: row["id"])
        steps = Tree(tuple(step for row in rows if (step := _step(row))))
        ids = [int(value["now"]), *map(int, value["past"]), *map(int, value["future"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    asked = (session.model, session.recipe, session.edits)
    at = steps.step(ids[0])
    if at is not None and at.asked == asked:
        past, future = ids[1 : 1 + len(value["past"])], ids[1 + len(value["past"]) :]
    elif at := steps.find(asked):
        past, future = list(steps.path(at.id))[:-1], []
    else:
        return None
    now = replace(session, step=at.id)
    before, after = (_sessions(steps, line_ids[-MOST:]) for line_ids in (past, future))
    return History(now, before, after, len(before)), steps


def _sessions(steps: Tree, ids: list[int]) -> tuple[Session, ...]:
    by_id = steps.by_id
    found = [by_id[at] for at in ids if at in by_id]
    return tuple(Session(s.model, recipe=s.recipe, edits=s.edits, step=s.id) for s in found)


def _row(step: Step) -> dict[str, Any] | None:
    """A step as JSON; None when its network is gone."""
    names = st.session_state.setdefault(_ASKED, {})
    if step.asked not in names:
        try:
            names[step.asked] = saved_requests.keep(_digest(step.model), step.recipe, step.edits)
        except SfpError:
            return None
    return {
        "id": step.id, "parent": step.parent, "time": step.time, "model": step.model,
        "asked": names[step.asked], "name": step.name,
    }  # fmt: skip


def _step(row: Mapping[str, Any]) -> Step | None:
    """A row of a file as a step; None when its network or what was asked is gone."""
    model = str(row["model"])
    try:
        wish = saved_requests.kept(str(row["asked"]), _digest(model))
    except SfpError:
        return None
    if wish is None:
        return None
    step = Step(int(row["id"]), int(row["parent"]), float(row["time"]), model, *wish)
    return Tree((step,)).named(step.id, str(row["name"])).steps[0]


def _digest(model: str) -> str:
    """The digest of a network; for a stored one its key, so that nothing is loaded for it."""
    return loaders.digest(model) if model in samples.sample_names() else model


def _ids(sessions: tuple[Session, ...]) -> list[int]:
    return [session.step for session in sessions]


def _path(line: str) -> Path:
    return loaders.home() / "lines" / f"{line}.json"


def _tidy() -> None:
    """Forget the oldest lines of the workspace."""
    files = _files()
    for old in files[: max(len(files) - _FILES + 1, 0)]:
        old.unlink(missing_ok=True)


def _files() -> list[Path]:
    """The files of lines, the newest last."""
    timed = []
    for file in _path("x").parent.glob("*.json"):
        with suppress(OSError):  # another session tidied up
            timed.append((file.stat().st_mtime, file))
    return [file for _, file in sorted(timed)]
