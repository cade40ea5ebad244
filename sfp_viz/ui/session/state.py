"""The Session: what a person sees and has changed, one frozen record with its history."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.tree import Tree

DEFAULT_MODEL = "lenet5_digits"
KEY = "session"
TREE = "steps"
_STEPS = (
    "model",
    "recipe",
    "edits",
)  # undone by Undo; the rest is view alone


@dataclass(frozen=True)
class Session:
    """What is on the screen, and what was changed.

    Attributes:
        model: Name of a sample, or digest of a stored network.
        group: Name of the selected group, '' for the first one.
        selection: Numbers of its selected filters, sorted.
        recipe: The recipe of the plan.
        edits: The manual edits, None for none.
        run: Id of the watched run, or ''.
        layer: The layer of the group that is shown, '' for its first.
        step: Id of the current step in the tree.
    """

    model: str = DEFAULT_MODEL
    group: str = ""
    selection: tuple[int, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    edits: Edits | None = None
    run: str = ""
    layer: str = ""
    step: int = field(default=0, compare=False)

    @property
    def request(self) -> Request:
        """What is asked of the network: the recipe and the edits."""
        return Request.of(self.recipe, self.edits)


def history() -> History[Session]:
    """The history of this browser session; a new one on the first call."""
    past = st.session_state.get(KEY)
    if not isinstance(past, History):  # the first call, or the code was reloaded meanwhile
        past = st.session_state[KEY] = History(Session())
    return past


def tree() -> Tree:
    """The tree of steps of this browser session; it holds the step of the current record."""
    steps, current = st.session_state.get(TREE), session()
    if not isinstance(steps, Tree) or steps.step(current.step) is None:
        steps, step_id = Tree().with_step(
            -1, model=current.model, recipe=current.recipe, edits=current.edits, time=time.time()
        )
        st.session_state[KEY] = history().replace_current(replace(current, step=step_id))
        st.session_state[TREE] = steps
    return steps


def is_new() -> bool:
    """Whether this browser session has no record yet."""
    return KEY not in st.session_state


def start(begin_with: Session | History[Session], steps: Tree | None = None) -> None:
    """Begin the browser session.

    Args:
        begin_with: A record, which gets an empty history, or a history.
        steps: The tree of steps of that history; None for a new one.
    """
    is_history = isinstance(begin_with, History)
    st.session_state[KEY] = begin_with if is_history else History(begin_with)
    if steps is not None:
        st.session_state[TREE] = steps
    tree()


def session() -> Session:
    """The current record."""
    return history().current


def revision() -> int:
    """Rises with each step, undo and redo: put it into the keys of widgets that show the record."""
    return history().revision


def change(**fields: Any) -> None:
    """Change some fields of the session. A change of model, recipe or edits is one undo step.

    Another model takes the group, selection, edits and run of the old one off the screen; another
    group its layer and selection. Empty edits become None, so that 'nothing changed' is one value.

    Args:
        **fields: New values by the names of Session's fields.
    """
    steps, before = tree(), session()
    if fields.get("model", before.model) != before.model:
        fields = {"group": "", "layer": "", "selection": (), "edits": None, "run": "", **fields}
    elif fields.get("group", before.group) != before.group:
        fields = {"layer": "", "selection": (), **fields}
    if "selection" in fields:
        fields["selection"] = tuple(sorted({int(unit) for unit in fields["selection"]}))
    if not fields.get("edits", True):
        fields["edits"] = None
    after = replace(before, **fields)
    if all(getattr(after, name) == getattr(before, name) for name in _STEPS):
        st.session_state[KEY] = history().replace_current(after)
        return
    st.session_state[TREE], step_id = steps.with_step(
        before.step, model=after.model, recipe=after.recipe, edits=after.edits, time=time.time()
    )
    st.session_state[KEY] = history().push(replace(after, step=step_id))


def go_to_step(step_id: int) -> None:
    """Go to a step of the tree, as one step that can be undone; nothing for an unknown step."""
    step, before = tree().step(step_id), session()
    if step is None or step_id == before.step:
        return
    after = replace(before, recipe=step.recipe, edits=step.edits, step=step_id)
    if step.model != before.model:
        after = replace(after, model=step.model, group="", layer="", selection=(), run="")
    unchanged = after == before
    st.session_state[KEY] = history().replace_current(after) if unchanged else history().push(after)


def name_step(step_id: int, name: str) -> None:
    """Give a step a name.

    Args:
        step_id: Id of the step.
        name: The name, '' for none.
    """
    st.session_state[TREE] = tree().with_name(step_id, name)


def undo() -> None:
    """Take the last step back; the view returns to where it was made."""
    st.session_state[KEY] = history().undo()


def redo() -> None:
    """Make the undone step again."""
    st.session_state[KEY] = history().redo()
