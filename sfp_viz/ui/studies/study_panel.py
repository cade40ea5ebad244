"""Studies of a network: runs that gather evidence, started, watched and stopped from a page."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.elements.lib.mutable_expander_container import ExpanderContainer

from sfp_viz.core.evidence.study import Study
from sfp_viz.core.network import Network
from sfp_viz.errors import SfpError
from sfp_viz.runs import resume
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.results import catalog
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.state import RESUMABLE
from sfp_viz.text.numbers import duration
from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.session import state

WORDS = {
    "observe": "Looking at images",
    "sensitivity": "Measuring the sensitivity",
    "latency": "Timing the layers",
    "trust": "Measuring plans around the suggestion",
}
_STARTED = "study_started"  # session_state: the kind that was started last, until it is seen
NEEDS_IMAGES = ("observe", "sensitivity", "trust")


def newest(kind: str, digest: str) -> Run | None:
    """The newest study of a kind of the weights with ``digest``; None when there is none."""
    return next(iter(catalog.newest(loaders.home(), 1, kinds=(kind,), digest=digest)), None)


def images_for(network: Network, kind: str) -> str | None:
    """The images that a study of ``kind`` takes; None where it needs some and there are none."""
    found = image_field.here(network)
    return found if found or kind not in NEEDS_IMAGES else None


def begin(study: Study, data: str) -> None:
    """Lay out the folder of a study of the session's network and start its worker; a problem
    becomes a toast. Loads torch."""
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.runs.create.study import create_study

    now = state.session()
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.safetensors"
            save_model(loaders.model(now.model), file)
            path = create_study(
                loaders.home(),
                kind=study.kind,
                model_file=file,
                recipe=now.recipe,
                data=data,
                settings=replace(study, recipe=now.recipe, edits=now.edits),
                edits=now.edits,
                facts={"model": now.model},
            )
        process.launch(path)
        st.session_state[_STARTED] = study.kind
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")


def drawer(
    label: str, key: str, network: Network, kinds: tuple[str, ...], always: bool = False
) -> ExpanderContainer:
    """An expander that opens when a study of ``kinds`` starts or goes on, or ``always`` holds.

    Its content is only worked out while it is ``open``.
    """
    runs = [newest(kind, network.digest) for kind in kinds]
    going = any(run is not None and not run.over for run in runs)
    if st.session_state.get(_STARTED) in kinds:
        st.session_state[key] = True
        del st.session_state[_STARTED]
    elif key not in st.session_state:
        st.session_state[key] = going or always
    return st.expander(label, key=key, on_change="rerun")


def watch(run: Run, *, place: str = "") -> None:
    """The study with its progress, read again each second while it goes; ``place`` tells it from
    the same study elsewhere on the page."""

    def look() -> None:
        with problems.shown():
            if not run.path.exists():
                st.rerun()
            now = read_run(run.path)
            if now.over != run.over:  # the evidence is there, or it stopped: all of the page
                st.rerun()
            _draw(now, place)

    st.fragment(look, run_every=None if run.over else 1.0)()


def _draw(run: Run, place: str) -> None:
    """Progress while it goes; why it stopped, where it did."""
    if not run.over:
        st.progress(run.progress, text=progress(run))
        st.button(
            "Cancel", key=f"cancel_{run.id}{place}", disabled=run.state == "cancelling",
            on_click=act, args=(process.request_cancel, run),
        )  # fmt: skip
    elif run.state in RESUMABLE:
        words = {
            "cancelled": "was cancelled", "failed": "failed", "lost": "lost its worker",
            "paused": "is paused",
        }  # fmt: skip
        note = f"{WORDS[run.kind]} {words[run.state]} after {run.done} points. {run.message}"
        st.warning(problems.plain(note), icon=":material/pause:")
        st.button(
            "Go on with it", key=f"resume_{run.id}{place}", on_click=act,
            args=(resume.resume, run),
        )  # fmt: skip


def progress(run: Run) -> str:
    """How far a study is, in words."""
    if run.state == "cancelling":
        return "Stopping"
    text = WORDS[run.kind]
    if run.total:
        text += f": {run.done} of {run.total}"
    if run.seconds_left is not None:
        text += f", about {duration(run.seconds_left)} left (estimated)"
    return text


def act(what: Callable, run: Run) -> None:
    """Stop or resume a study; a problem becomes a toast."""
    try:
        what(run.path)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
