"""Where a new run works: on this machine, or on the cluster of the workspace."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs.ray.settings import Cluster, cluster
from sfp_viz.runs.storage.state import Where
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders

KEY = "run_where"
_WORDS: dict[Where, str] = {"here": "This machine", "ray": "The cluster"}


def field() -> None:
    """The choice; nothing where no cluster is set."""
    try:
        found = cluster(loaders.home())
    except SfpError as problem:
        problems.say(problem)
        return
    if found is None:
        return
    st.segmented_control(
        "Where it works", list(_WORDS), default="here", required=True, key=KEY,
        format_func=lambda name: _WORDS[name],
    )  # fmt: skip
    if chosen() == "ray":
        st.caption(problems.plain(words(found)))


def chosen() -> Where:
    """What was chosen on this page; 'here' where there is no choice."""
    return "ray" if st.session_state.get(KEY) == "ray" else "here"


def begin(path: Path, where: Where) -> None:
    """Put the run in ``path`` in line: this machine's, or the cluster's. Raises RunError."""
    from sfp_viz.runs import queue

    if where == "ray":
        queue.enqueue(path, where=where)
    else:
        queue.enqueue(path)


def words(found: Cluster) -> str:
    """What a run gets of the cluster, in sentences."""
    each = f"{found.cpus:g} CPU{'' if found.cpus == 1 else 's'}"
    if found.gpus:
        each += f" and {found.gpus:g} GPU{'' if found.gpus == 1 else 's'}"
    return f"It starts at {found.address} once a node has {each} free, and is watched from here."
