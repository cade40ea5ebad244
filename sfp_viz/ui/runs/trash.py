"""Runs that were deleted: they lie in ``home()/trash`` for a while and can be put back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import streamlit as st

from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs.folder import SWEEP
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.sweeps import deletion_note
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.session import state

KEPT = 10  # runs in the trash; of more, those deleted first are gone for good
_LAST = "run deleted last"  # session_state: its folder in the trash
_LEFT = "left by the deleted run"  # session_state: what stays of a sweep, in a sentence


def discard(path: Path) -> None:
    """Take the run in ``path`` off the list. Raises RunError while it is in line or at work."""
    place = _place() / f"{time.time_ns()}.{path.name}"
    with process.locked_idle(path) as run:  # nobody starts it meanwhile
        if run.state == "queued":
            raise RunError(
                f"The run '{run.id}' stands in line. Take it out of the line, then delete it."
            )
        left = deletion_note(run) if run.kind == SWEEP else ""
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    st.session_state[_LAST], st.session_state[_LEFT] = place.name, left
    for old in sorted(_place().iterdir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def restore(place: str) -> None:
    """Put the run back that lies in the trash as ``place``. Raises RunError when it is gone."""
    source, name = _place() / Path(place).name, Path(place).name.partition(".")[2]
    target = loaders.home() / "runs" / name
    if not name or not source.is_dir() or target.exists():
        raise RunError(f"The run '{name}' cannot be put back: it is gone, or its name is taken.")
    source.rename(target)
    if st.session_state.get(_LAST) == place:
        del st.session_state[_LAST]


def bar() -> None:
    """A line that says what was just deleted, with the way back; nothing otherwise."""
    place = st.session_state.get(_LAST)
    if not place or not (_place() / place).is_dir():
        return
    name = place.partition(".")[2]

    def back() -> None:
        try:
            restore(place)
            state.change(run=name)  # it is on the screen again too
        except (SfpError, OSError) as problem:
            st.toast(problems.plain(str(problem)), icon=":material/error:")

    with st.container(horizontal=True, vertical_alignment="center"):
        left = st.session_state.get(_LEFT, "")
        text = f"The run {problems.plain(name)} was deleted. {left}"
        st.caption(text.rstrip(), width="content")
        st.button(
            "Put it back", key="run_restore", on_click=back, type="tertiary",
            icon=":material/undo:",
        )  # fmt: skip


def _place() -> Path:
    return loaders.home() / "trash"
