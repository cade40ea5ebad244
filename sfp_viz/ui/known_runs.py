"""The trainings of one network as pages show them: runs that are over are read only once."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs.files import read_json
from sfp_viz.runs.folder import TRAININGS, read_run
from sfp_viz.runs.records import Run
from sfp_viz.ui import loaders

KINDS = (*TRAININGS, "sweep")  # what is started, watched and listed on the page Fine-tune
_FILES = ("settings.json", "launch.json", "worker.json", "request", "queued.json", "result.json")
_KEY = "known runs"  # session_state: {folder: (times of its files, the Run or None)}


def runs_of(digest: str) -> tuple[Run, ...]:
    """Trainings and sweeps of the network ``digest``, the newest first."""
    before = st.session_state.get(_KEY, {})
    now = {}
    for file in (loaders.home() / "runs").glob("*/settings.json"):
        path = file.parent
        if path.name.startswith("."):
            continue
        stamp, known = _stamp(path), before.get(path)
        if known is None or known[0] != stamp or (known[1] and not known[1].over):
            known = (stamp, _read(path))
        now[path] = known
    st.session_state[_KEY] = now
    found = [run for _, run in now.values() if run and run.facts.get("digest") == digest]
    return tuple(sorted(found, key=lambda run: (run.created, run.id), reverse=True))


def _read(path: Path) -> Run | None:
    """The run in a folder; None for a study, and for a folder that cannot be read."""
    if (read_json(path / "settings.json") or {}).get("kind") not in KINDS:
        return None
    try:
        return read_run(path)
    except SfpError:
        return None  # a folder that is being deleted, or is not ours


def _stamp(path: Path) -> tuple[int, ...]:
    found = []
    for name in _FILES:
        try:
            found.append(os.stat(path / name).st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)
