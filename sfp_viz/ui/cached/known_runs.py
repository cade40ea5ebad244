"""The trainings of one network as pages show them: runs that are over are read only once."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs.folder import TRAININGS, read_run
from sfp_viz.runs.results.catalog import entries
from sfp_viz.runs.storage.launch_record import LAUNCH, QUEUED, REQUEST
from sfp_viz.runs.storage.layout import RESULT, SETTINGS
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.worker_record import WORKER_FILE
from sfp_viz.ui.cached import loaders

KINDS = (*TRAININGS, "sweep")  # what is started, watched and listed on the page Fine-tune
_FILES = (RESULT, SETTINGS, LAUNCH, WORKER_FILE, REQUEST, QUEUED)
_KEY = "known runs"  # session_state: {folder: (times of its files, the Run or None)}


def runs_of(digest: str) -> tuple[Run, ...]:
    """Trainings and sweeps of the network ``digest``, the newest first."""
    cached = st.session_state.get(_KEY, {})
    runs = {}
    for path in [entry.path for entry in entries(loaders.home(), KINDS, digest)]:
        stamp, run = cached.get(path, ((), None))
        if not stamp or stamp != _stamp(path, len(stamp)) or (run and not run.over):
            stamp, run = _stamp(path), _read(path)
            if run and run.state == "finished":  # final, so only result.json is checked
                stamp = stamp[:1]
        runs[path] = stamp, run
    st.session_state[_KEY] = runs
    readable = [run for _, run in runs.values() if run]
    return tuple(sorted(readable, key=lambda run: (run.created, run.id), reverse=True))


def _read(path: Path) -> Run | None:
    """The run in a folder; None if it cannot be read."""
    try:
        return read_run(path)
    except SfpError:
        return None  # a folder that is being deleted, or is not ours


def _stamp(path: Path, count: int = len(_FILES)) -> tuple[int, ...]:
    """Times of the first ``most`` files that tell how a run is."""
    times = []
    for name in _FILES[:count]:
        try:
            times.append(os.stat(f"{path}/{name}").st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)
