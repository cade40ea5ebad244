"""Unique names of runs: the title, the settings in which they differ, and when they were
started."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs.results.names import setting_text, titles_with_differences
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import KIND, read_sparsify_request
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import count


def unique_names(runs: Sequence[Run], *, always: int = 3) -> list[str]:
    """A name for each run, no two the same.

    Args:
        runs: The runs.
        always: How many of the settings in which they differ are always named. Further settings,
            the time of the start and a number are added only where needed.
    """
    titles = [run_labels.title(run) for run in runs]
    names = titles_with_differences(titles, [_settings(run) for run in runs], always=always)
    names = [_with_time(name, run, names) for name, run in zip(names, runs, strict=True)]
    return [
        f"{name} ({names[: at + 1].count(name)})" if names.count(name) > 1 else name
        for at, name in enumerate(names)
    ]


def list_names(runs: Sequence[Run]) -> list[str]:
    """A short name for each run, no two the same; runs with unique titles keep these."""
    by_title: dict[str, list[int]] = {}
    for at, run in enumerate(runs):
        by_title.setdefault(run_labels.title(run), []).append(at)
    names = [""] * len(runs)
    for places in by_title.values():
        unique = unique_names([runs[at] for at in places], always=0)
        for at, name in zip(places, unique, strict=True):
            names[at] = name
    return names


def _settings(run: Run) -> dict[str, str]:
    """The settings of a run in words, by name, and the MACs of its network."""
    values: dict[str, Any] = {**asdict(run.settings), "data": run.data}
    if run.kind == KIND:
        values |= _sparse(run.path)
    values["epochs"] = run.total or run.settings.epochs
    words = {name: setting_text(name, value) for name, value in values.items()}
    macs = run.before.macs if run.before else run.facts.get("macs")
    return words | ({"macs": f"{count(macs)} MACs"} if macs else {})


@st.cache_data(max_entries=1000, show_spinner=False)  # the list refreshes each second
def _sparse(path: Path) -> dict[str, Any]:
    """The settings of a sparse training; they are written once."""
    with suppress(SfpError):
        return asdict(read_sparsify_request(path).settings)
    return {}


def _with_time(name: str, run: Run, names: Sequence[str]) -> str:
    if names.count(name) < 2:
        return name
    return f"{name}, {datetime.fromtimestamp(run.created):%d %b %H:%M:%S}"
