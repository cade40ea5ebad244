"""The buttons of a run: what can be done with it in its state."""

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
    """Draw pause and cancel for a run under way; resume, save and delete for one that stopped."""
    with st.container(horizontal=True, width="content", gap="small"):
        if run.state in ("waiting", "running", "pausing"):
            _button("Pause", "pause", _pause, run, off=run.state == "pausing")
        if not run.over:
            label = "Remove from queue" if run.state == "queued" else "Cancel"
            _button(label, "cancel", process.request_cancel, run, off=run.state == "cancelling")
        if run.state in RESUMABLE:
            _button("Resume", "play_arrow", resume.resume, run, main=not out_of_memory(run))
        if run.over and run.state != "finished" and has_checkpoint(run):
            _save(run)
        if run.over:
            note = deletion_note(run) if run.kind == SWEEP else None
            _button("Delete", "delete", trash.discard, run, help=note)


def restart_button(run: Run) -> None:
    """After running out of memory: offer the same run with half the batch size."""
    half = run.settings.batch_size // 2
    if run.state == "failed" and out_of_memory(run) and half >= 1:
        st.button(
            f"Restart with batch size {half}", key="run_half", type="primary",
            icon=":material/restart_alt:", on_click=_restart, args=(run, half),
        )  # fmt: skip


def out_of_memory(run: Run) -> bool:
    """Whether the run failed because it ran out of memory."""
    return run.state == "failed" and run.trouble == "memory"


def has_checkpoint(run: Run) -> bool:
    """Whether the run's folder, or that of one of its stages, has a checkpoint."""
    if run.kind == SPARSIFY and (run.path / PRUNED).exists():  # pruned, and not fine-tuned yet
        return True
    return run.kind in TRAININGS and any(
        any(run.path.glob(f"{place}checkpoint*.safetensors"))
        for place in ("", "stages/*/", f"{CHECKPOINTS}/")
    )


def _button(
    label: str,
    icon: str,
    action: Callable,
    run: Run,
    *,
    off: bool = False,
    main: bool = False,
    help: str | None = None,
) -> None:
    st.button(
        label, key=f"run_{icon}", on_click=_act, args=(action, run), disabled=off,
        icon=f":material/{icon}:", type="primary" if main else "secondary",
        help=help,
    )  # fmt: skip


def _act(action: Callable, run: Run) -> None:
    """Do ``action`` with the run's folder and show an error as a toast."""
    try:
        action(run.path)
    except (SfpError, OSError) as problem:
        text = str(problem)
        if isinstance(problem, OSError):
            text = f"The files of the run '{run.id}' cannot be changed: {text}."
        st.toast(problems.plain(text), icon=":material/error:")


def _pause(path: Path) -> None:
    process.request_pause(path)


def _restart(run: Run, batch: int) -> None:
    def start(path: Path) -> None:
        copy = copy_with(path, batch_size=batch)
        queue.enqueue(copy)
        state.change(run=copy.name)

    _act(start, run)


def _save(run: Run) -> None:
    """Draw the download of the newest checkpoint's network, which is made on the click."""

    def content() -> io.BytesIO:
        from sfp_viz.runs.results.saved_network import save_network

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.safetensors"
            save_network(run.path, file)
            return io.BytesIO(file.read_bytes())

    st.download_button(
        "Save current network", content, key="run_save",
        file_name=f"{run.id}-epoch-{run.done}.safetensors",
        icon=":material/download:", on_click="ignore",
        help="The network of the last checkpoint, as a file that sfp-viz can open.",
    )  # fmt: skip
