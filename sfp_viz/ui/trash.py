"""Runs that were deleted: they lie in ``home()/trash`` for a while and can be put back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import streamlit as st

from sfp_viz.errors import RunError, SfpError
from sfp_viz.runs.folder import read_run
from sfp_viz.ui import loaders, problems

KEPT = 10  # runs in the trash; of more, those deleted first are gone for good
_LAST = "run deleted last"  # session_state: its folder in the trash


def discard(path: Path) -> None:
    """Take the run in ``path`` off the list. Raises RunError while a worker is at it."""
    run = read_run(path)
    if not run.over and (path / "launch.json").exists():
        raise RunError(f"The run '{run.id}' is {run.state}. Cancel it first, then delete it.")
    if path.is_symlink():
        raise RunError(f"{path} is a link to a folder elsewhere; delete it by hand.")
    place = _place() / f"{time.time_ns()}.{path.name}"
    place.parent.mkdir(parents=True, exist_ok=True)
    path.rename(place)
    st.session_state[_LAST] = place.name
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
        except (SfpError, OSError) as problem:
            st.toast(problems.plain(str(problem)), icon=":material/error:")

    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The run {problems.plain(name)} was deleted.", width="content")
        st.button(
            "Put it back", key="run_restore", on_click=back, type="tertiary",
            icon=":material/undo:",
        )  # fmt: skip


def _place() -> Path:
    return loaders.home() / "trash"
