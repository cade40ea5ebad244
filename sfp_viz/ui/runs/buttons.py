"""What can be done with a run, in each of its states: one row of buttons."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs import queue, resume
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.folder import SWEEP, TRAININGS
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.sweeps import deletion_note
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import CHECKPOINTS, PRUNED
from sfp_viz.runs.storage.sparsify import KIND as SPARSIFY
from sfp_viz.runs.storage.state import RESUMABLE
from sfp_viz.ui import problems
from sfp_viz.ui.runs import trash
from sfp_viz.ui.session import state


def buttons(run: Run) -> None:
    """Pause and cancel while it goes; resume, save and delete once it stopped."""
    with st.container(horizontal=True, width="content", gap="small"):
        if run.state in ("waiting", "running", "pausing"):
            _button("Pause", "pause", _pause, run, off=run.state == "pausing")
        if not run.over:
            label = "Take out of the line" if run.state == "queued" else "Cancel"
            _button(label, "cancel", process.request_cancel, run, off=run.state == "cancelling")
        if run.state in RESUMABLE:
            _button("Resume", "play_arrow", resume.resume, run, main=not short_of_memory(run))
        if run.over and run.state != "finished" and has_checkpoint(run):
            _save(run)
        if run.over:
            kept = deletion_note(run) if run.kind == SWEEP else None
            _button("Delete", "delete", trash.discard, run, words=kept)


def offer(run: Run) -> None:
    """After a failure for want of memory: the same again with smaller batches."""
    half = run.settings.batch_size // 2
    if run.state == "failed" and short_of_memory(run) and half >= 1:
        st.button(
            f"Start again with half the batch ({half} images)", key="run_half", type="primary",
            icon=":material/restart_alt:", on_click=_again, args=(run, half),
        )  # fmt: skip


def short_of_memory(run: Run) -> bool:
    """Whether the run failed because the memory did not suffice."""
    return run.state == "failed" and run.trouble == "memory"


def has_checkpoint(run: Run) -> bool:
    """Whether something of the training lies in its folder, or in that of a stage."""
    if run.kind == SPARSIFY and (run.path / PRUNED).exists():  # cut, and not tuned yet
        return True
    return run.kind in TRAININGS and any(
        any(run.path.glob(f"{place}checkpoint*.safetensors"))
        for place in ("", "stages/*/", f"{CHECKPOINTS}/")
    )


def _button(
    label: str,
    icon: str,
    what: Callable,
    run: Run,
    *,
    off: bool = False,
    main: bool = False,
    words: str | None = None,
) -> None:
    st.button(
        label, key=f"run_{icon}", on_click=_act, args=(what, run), disabled=off,
        icon=f":material/{icon}:", type="primary" if main else "secondary",
        help=words,
    )  # fmt: skip


def _act(what: Callable, run: Run) -> None:
    """Do it; a problem becomes a toast, not a page in ruins."""
    try:
        what(run.path)
    except (SfpError, OSError) as problem:
        text = str(problem)
        if isinstance(problem, OSError):
            text = f"The files of the run '{run.id}' cannot be changed: {text}."
        st.toast(problems.plain(text), icon=":material/error:")


def _pause(path: Path) -> None:
    process.request_pause(path)


def _again(run: Run, batch: int) -> None:
    def start(path: Path) -> None:
        fresh = copy_with(path, batch_size=batch)
        queue.enqueue(fresh)
        state.change(run=fresh.name)

    _act(start, run)


def _save(run: Run) -> None:
    """Hands out the network of the newest checkpoint; made on the click, which loads torch."""

    def content() -> io.BytesIO:
        from sfp_viz.runs.results.saved_network import save_network

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.safetensors"
            save_network(run.path, file)
            return io.BytesIO(file.read_bytes())

    st.download_button(
        "Save the network so far", content, key="run_save",
        file_name=f"{run.id}-epoch-{run.done}.safetensors",
        icon=":material/download:", on_click="ignore",
        help="The network of the last checkpoint, as a file that sfp-viz opens.",
    )  # fmt: skip
