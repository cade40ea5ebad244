"""Studies of a network: runs that measure evidence, started, watched and stopped from a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import duration
from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.session import state

RUNNING = {
    "observe": "Analyzing images",
    "sensitivity": "Measuring sensitivity",
    "latency": "Timing the layers",
    "trust": "Testing the suggestion",
}
_STARTED = "study_started"  # session_state: the kind that was started last, until it is seen
NEEDS_IMAGES = ("observe", "sensitivity", "trust")


def newest(kind: str, digest: str) -> Run | None:
    """The newest study of a kind; None if there is none.

    Args:
        kind: Kind of the study.
        digest: Digest of the weights.
    """
    return next(iter(catalog.newest(loaders.home(), 1, kinds=(kind,), digest=digest)), None)


def images_for(network: Network, kind: str) -> str | None:
    """The name of the images for a study; None if it needs images and there are none.

    Args:
        network: The network.
        kind: Kind of the study.
    """
    data = image_field.available_images(network)
    return data if data or kind not in NEEDS_IMAGES else None


def start_study(study: Study, data: str) -> None:
    """Create a study of the session's network and start its worker; a problem becomes a toast.

    Loads torch.

    Args:
        study: Its settings.
        data: Name of its images; '' for none.
    """
    from sfp_viz.runs.create.study import create_study

    session = state.session()
    try:
        with loaders.model_file(session.model) as file:
            path = create_study(
                loaders.home(),
                kind=study.kind,
                model_file=file,
                recipe=session.recipe,
                data=data,
                settings=replace(study, recipe=session.recipe, edits=session.edits),
                edits=session.edits,
                facts={"model": session.model},
            )
        process.launch(path)
        st.session_state[_STARTED] = study.kind
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")


def drawer(
    label: str, key: str, network: Network, kinds: tuple[str, ...], always: bool = False
) -> ExpanderContainer:
    """An expander that opens when a study starts or is running; draw its content while it is open.

    Args:
        label: Its title.
        key: Its key in the session_state.
        network: The network of the studies.
        kinds: Kinds of studies.
        always: Open it at first in any case.
    """
    runs = [newest(kind, network.digest) for kind in kinds]
    running = any(run is not None and not run.over for run in runs)
    if st.session_state.get(_STARTED) in kinds:
        st.session_state[key] = True
        del st.session_state[_STARTED]
    elif key not in st.session_state:
        st.session_state[key] = running or always
    return st.expander(label, key=key, on_change="rerun")


def watch(run: Run, *, place: str = "") -> None:
    """A study with its progress, read again each second while it runs.

    Args:
        run: The study.
        place: A name that distinguishes it from the same study elsewhere on the page.
    """

    def refresh() -> None:
        with problems.catch():
            if not run.path.exists():
                st.rerun()
            current = read_run(run.path)
            if current.over != run.over:  # it has finished or stopped: redraw the page
                st.rerun()
            _draw(current, place)

    st.fragment(refresh, run_every=None if run.over else 1.0)()


def _draw(run: Run, place: str) -> None:
    """Its progress while it runs; why it stopped, where it did."""
    if not run.over:
        st.progress(run.progress, text=progress_text(run))
        st.button(
            "Cancel", key=f"cancel_{run.id}{place}", disabled=run.state == "cancelling",
            on_click=apply, args=(process.request_cancel, run),
        )  # fmt: skip
    elif run.state in RESUMABLE:
        endings = {
            "cancelled": "was cancelled", "failed": "failed", "lost": "lost its worker",
            "paused": "was paused",
        }  # fmt: skip
        title = run_labels.KINDS[run.kind]
        note = f"{title} {endings[run.state]} after {run.done} measurements. {run.message}"
        st.warning(problems.plain(note), icon=":material/pause:")
        st.button(
            "Resume", key=f"resume_{run.id}{place}", on_click=apply,
            args=(resume.resume, run),
        )  # fmt: skip


def progress_text(run: Run) -> str:
    """The progress of a running study in words."""
    if run.state == "cancelling":
        return "Cancelling"
    text = RUNNING[run.kind]
    if run.total:
        text += f": {run.done} of {run.total}"
    if run.seconds_left is not None:
        text += f", about {duration(run.seconds_left)} left (estimated)"
    return text


def apply(action: Callable, run: Run) -> None:
    """Apply an action to the folder of a study; an error becomes a toast.

    Args:
        action: Such as cancelling or resuming it, called with the folder.
        run: The study.
    """
    try:
        action(run.path)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
