"""The Session: what a person is looking at and has changed, one frozen record with its history."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.tree import Tree

DEFAULT_MODEL = "lenet5_digits"
KEY = "session"
TREE = "steps"
_STEPS = ("model", "recipe", "edits")  # a change of these can be undone; the rest is only looking


@dataclass(frozen=True)
class Session:
    """``model``: a sample's name or the digest of a stored network. ``group``: the group on the
    screen ('' is the first one), ``layer`` the one of it that is shown ('' is its first).
    ``selection``: chosen filters of it, sorted. ``recipe`` and ``edits`` make the plan. ``run``:
    the run folder's id being watched, or ''. ``step``: where this stands in the tree of steps."""

    model: str = DEFAULT_MODEL
    group: str = ""
    selection: tuple[int, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    edits: Edits | None = None
    run: str = ""
    layer: str = ""
    step: int = field(default=0, compare=False)


def history() -> History[Session]:
    """The history of this browser session; a new one on the first call."""
    found = st.session_state.get(KEY)
    if not isinstance(found, History):  # the first call, or the code was loaded anew meanwhile
        found = st.session_state[KEY] = History(Session())
    return found


def tree() -> Tree:
    """The tree of steps of this browser session; it holds the step of the record now."""
    found, now = st.session_state.get(TREE), session()
    if not isinstance(found, Tree) or found.step(now.step) is None:
        found, at = Tree().grown(
            -1, model=now.model, recipe=now.recipe, edits=now.edits, time=time.time()
        )
        st.session_state[KEY] = history().look(replace(now, step=at))
        st.session_state[TREE] = found
    return found


def is_new() -> bool:
    """Whether this browser session has no record yet."""
    return KEY not in st.session_state


def start(begun: Session | History[Session], steps: Tree | None = None) -> None:
    """Begin with a record and an empty history, or with a history and its tree of steps."""
    st.session_state[KEY] = begun if isinstance(begun, History) else History(begun)
    if steps is not None:
        st.session_state[TREE] = steps
    tree()


def session() -> Session:
    """The record now."""
    return history().now


def revision() -> int:
    """Rises with each step, undo and redo: put it into the keys of widgets that show the record."""
    return history().revision


def change(**fields: Any) -> None:
    """Change some fields. A change of model, recipe or edits is one undo step.

    Another model takes the group, selection, edits and run of the old one off the screen; another
    group its layer and selection. Empty edits become None, so that 'nothing changed' is one value.
    """
    steps, now = tree(), session()
    if fields.get("model", now.model) != now.model:
        fields = {"group": "", "layer": "", "selection": (), "edits": None, "run": "", **fields}
    elif fields.get("group", now.group) != now.group:
        fields = {"layer": "", "selection": (), **fields}
    if "selection" in fields:
        fields["selection"] = tuple(sorted({int(unit) for unit in fields["selection"]}))
    if not fields.get("edits", True):
        fields["edits"] = None
    after = replace(now, **fields)
    if all(getattr(after, name) == getattr(now, name) for name in _STEPS):
        st.session_state[KEY] = history().look(after)
        return
    st.session_state[TREE], at = steps.grown(
        now.step, model=after.model, recipe=after.recipe, edits=after.edits, time=time.time()
    )
    st.session_state[KEY] = history().to(replace(after, step=at))


def go(at: int) -> None:
    """Go to the step ``at`` of the tree, as one step that can be undone; nothing if unknown."""
    found, now = tree().step(at), session()
    if found is None or at == now.step:
        return
    after = replace(now, recipe=found.recipe, edits=found.edits, step=at)
    if found.model != now.model:
        after = replace(after, model=found.model, group="", layer="", selection=(), run="")
    st.session_state[KEY] = history().look(after) if after == now else history().to(after)


def name(at: int, text: str) -> None:
    """Call the step ``at`` by a name; '' takes it away."""
    st.session_state[TREE] = tree().named(at, text)


def undo() -> None:
    """Take the last step back; the view goes to where it was made."""
    st.session_state[KEY] = history().back()


def redo() -> None:
    """Make the undone step again."""
    st.session_state[KEY] = history().on()
