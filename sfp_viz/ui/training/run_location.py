"""Where a new run is executed: on this machine, or on the cluster of the workspace."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs.ray.settings import Cluster, read_cluster
from sfp_viz.runs.storage.launch_record import Where
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders

KEY = "run_where"
_WORDS: dict[Where, str] = {"here": "This machine", "ray": "Ray cluster"}


def field() -> None:
    """Draw the choice; nothing without a cluster."""
    try:
        settings = read_cluster(loaders.home())
    except SfpError as problem:
        problems.show(problem)
        return
    if settings is None:
        return
    st.segmented_control(
        "Run on", list(_WORDS), default="here", required=True, key=KEY,
        format_func=lambda name: _WORDS[name],
    )  # fmt: skip
    if location() == "ray":
        st.caption(problems.plain(cluster_text(settings)))


def location() -> Where:
    """What was chosen on this page; 'here' without a choice."""
    return "ray" if st.session_state.get(KEY) == "ray" else "here"


def enqueue(path: Path, where: Where) -> None:
    """Queue a run.

    Args:
        path: Folder of the run.
        where: 'here', or 'ray' for the cluster.

    Raises:
        RunError: It cannot be queued.
    """
    from sfp_viz.runs import queue

    if where == "ray":
        queue.enqueue(path, where=where)
    else:
        queue.enqueue(path)


def cluster_text(settings: Cluster) -> str:
    """Where and when a run starts on the cluster, in a sentence."""
    needs = f"{settings.cpus:g} CPU{'' if settings.cpus == 1 else 's'}"
    if settings.gpus:
        needs += f" and {settings.gpus:g} GPU{'' if settings.gpus == 1 else 's'}"
    return f"It starts on {settings.address} once a node has {needs} free, and is monitored here."
