"""The Session: what a person is looking at and has changed, one frozen record with its history."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from sfp_viz.core.edits import Edits
from sfp_viz.core.recipe import Recipe
from sfp_viz.ui.history import History

DEFAULT_MODEL = "lenet5_digits"
KEY = "session"
_STEPS = ("model", "recipe", "edits")  # a change of these can be undone; the rest is only looking


@dataclass(frozen=True)
class Session:
    """``model``: a sample's name or the digest of a stored network. ``group``: the group on the
    screen ('' is the first one). ``selection``: chosen filters of it, sorted. ``recipe`` and
    ``edits`` make the plan. ``run``: the run folder's id being watched, or ''."""

    model: str = DEFAULT_MODEL
    group: str = ""
    selection: tuple[int, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    edits: Edits | None = None
    run: str = ""


def history() -> History[Session]:
    """The history of this browser session; a new one on the first call."""
    found = st.session_state.get(KEY)
    if not isinstance(found, History):  # the first call, or the code was loaded anew meanwhile
        found = st.session_state[KEY] = History(Session())
    return found


def is_new() -> bool:
    """Whether this browser session has no record yet."""
    return KEY not in st.session_state


def start(session: Session) -> None:
    """Begin with ``session``, with an empty history."""
    st.session_state[KEY] = History(session)


def session() -> Session:
    """The record now."""
    return history().now


def revision() -> int:
    """Rises with each step, undo and redo: put it into the keys of widgets that show the record."""
    return history().revision


def change(**fields: Any) -> None:
    """Change some fields. A change of model, recipe or edits is one undo step.

    Another model takes the group, selection, edits and run of the old one off the screen; another
    group its selection. Empty edits become None, so that 'nothing changed' is one value.
    """
    now = session()
    if fields.get("model", now.model) != now.model:
        fields = {"group": "", "selection": (), "edits": None, "run": "", **fields}
    elif fields.get("group", now.group) != now.group:
        fields = {"selection": (), **fields}
    if "selection" in fields:
        fields["selection"] = tuple(sorted({int(unit) for unit in fields["selection"]}))
    if not fields.get("edits", True):
        fields["edits"] = None
    after = replace(now, **fields)
    is_step = any(getattr(after, name) != getattr(now, name) for name in _STEPS)
    st.session_state[KEY] = history().to(after) if is_step else history().look(after)


def undo() -> None:
    """Take the last step back; the view goes to where it was made."""
    st.session_state[KEY] = history().back()


def redo() -> None:
    """Make the undone step again."""
    st.session_state[KEY] = history().on()
