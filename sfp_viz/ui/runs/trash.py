"""Deleted runs: ``home()/trash`` keeps the last ones, which can be restored."""

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

KEPT = 10  # runs in the trash; of more, those deleted first are removed for good
_LAST = "run deleted last"  # session_state: its folder in the trash
_NOTE = "left by the deleted run"  # session_state: what is left of a sweep, in a sentence


def discard(path: Path) -> None:
    """Move the run in the folder ``path`` to the trash. Raises RunError if it is queued or under
    way."""
    place = _place() / f"{time.time_ns()}.{path.name}"
    with process.locked_idle(path) as run:  # it cannot be started meanwhile
        if run.state == "queued":
            raise RunError(
                f"The run '{run.id}' is queued. Remove it from the queue before you delete it."
            )
        note = deletion_note(run) if run.kind == SWEEP else ""
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    st.session_state[_LAST], st.session_state[_NOTE] = place.name, note
    for run_folder in sorted(_place().iterdir())[:-KEPT]:
        shutil.rmtree(run_folder, ignore_errors=True)


def restore(place: str) -> None:
    """Restore the run that is ``place`` in the trash. Raises RunError if it is not there."""
    source, name = _place() / Path(place).name, Path(place).name.partition(".")[2]
    target = loaders.home() / "runs" / name
    if not name or not source.is_dir() or target.exists():
        raise RunError(
            f"The run '{name}' cannot be restored: it was removed, or its name is in use."
        )
    source.rename(target)
    if st.session_state.get(_LAST) == place:
        del st.session_state[_LAST]


def bar() -> None:
    """Draw which run was just deleted, and the button that restores it; nothing otherwise."""
    place = st.session_state.get(_LAST)
    if not place or not (_place() / place).is_dir():
        return
    name = place.partition(".")[2]

    def put_back() -> None:
        try:
            restore(place)
            state.change(run=name)  # and show it again
        except (SfpError, OSError) as problem:
            st.toast(problems.plain(str(problem)), icon=":material/error:")

    with st.container(horizontal=True, vertical_alignment="center"):
        note = st.session_state.get(_NOTE, "")
        text = f"The run {problems.plain(name)} was deleted. {note}"
        st.caption(text.rstrip(), width="content")
        st.button(
            "Restore", key="run_restore", on_click=put_back, type="tertiary",
            icon=":material/undo:",
        )  # fmt: skip


def _place() -> Path:
    return loaders.home() / "trash"
