"""Names that tell runs apart: the title, the settings in which they differ, and when they began."""

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


def apart(runs: Sequence[Run], *, always: int = 3) -> list[str]:
    """A name for each of several runs, no two the same: what was pruned, the first ``always``
    settings in which they differ, those further ones that it takes to tell them apart, and the
    time of the start, then a number, where that is not enough."""
    titles = [run_labels.title(run) for run in runs]
    found = titles_with_differences(titles, [_told(run) for run in runs], always=always)
    found = [_timed(name, run, found) for name, run in zip(found, runs, strict=True)]
    return [
        f"{name} ({found[: at + 1].count(name)})" if found.count(name) > 1 else name
        for at, name in enumerate(found)
    ]


def in_list(runs: Sequence[Run]) -> list[str]:
    """A name for each run of a list, no two the same: runs with the same title are told apart in
    as few words as it takes."""
    by_title: dict[str, list[int]] = {}
    for at, run in enumerate(runs):
        by_title.setdefault(run_labels.title(run), []).append(at)
    found = [""] * len(runs)
    for places in by_title.values():
        for at, name in zip(places, apart([runs[at] for at in places], always=0), strict=True):
            found[at] = name
    return found


def _told(run: Run) -> dict[str, str]:
    """What a run was asked for, each setting in words, and the MACs that it came to."""
    asked: dict[str, Any] = {**asdict(run.settings), "data": run.data}
    if run.kind == KIND:
        asked |= _sparse(run.path)
    asked["epochs"] = run.total or run.settings.epochs
    words = {name: setting_text(name, found) for name, found in asked.items()}
    macs = run.before.macs if run.before else run.facts.get("macs")
    return words | ({"macs": f"{count(macs)} MACs"} if macs else {})


@st.cache_data(max_entries=1000, show_spinner=False)  # the list is drawn each second
def _sparse(path: Path) -> dict[str, Any]:
    """The settings of a run that prunes while training; they are written once."""
    with suppress(SfpError):
        return asdict(read_sparsify_request(path).settings)
    return {}


def _timed(name: str, run: Run, names: Sequence[str]) -> str:
    if names.count(name) < 2:
        return name
    return f"{name}, {datetime.fromtimestamp(run.created):%d %b %H:%M:%S}"
