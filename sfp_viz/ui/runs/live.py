"""The live part of the page Fine-tune: the list of runs, the queue and the curves; one timer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sfp_viz.runs.results.catalog import entries
from sfp_viz.runs.storage.records import Run
from sfp_viz.ui import problems
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.runs import queue_panel, run_list, run_view, selection

EVERY = 1.0  # seconds between two refreshes while a run is under way
# elements that are being redrawn do not fade meanwhile, as they would on a busy machine
_STYLE = (
    "<style>.st-key-live [data-stale=true],.st-key-live_list [data-stale=true]"
    "{opacity:1!important;transition:none!important}</style>"
)


def watch(digest: str, *, listed: Any, place: Any) -> None:
    """Draw the runs of a network, and refresh them each second while one of them is under way.

    Args:
        digest: Digest of the network.
        listed: Container of the list and the queue.
        place: Container of the curves.
    """
    runs = known_runs.runs_of(digest)
    ids, active = _ids(runs), any(not run.over for run in runs)
    selection.read(runs)
    with listed:
        listed = st.container(key="live_list")
    with place:
        st.html(_STYLE)
        place = st.container(key="live")

    def refresh() -> None:
        with problems.catch():
            current = known_runs.runs_of(digest)
            selection.keep_watching(current)
            with listed:
                if current:
                    run_list.table(current)
                queue_panel.panel()
            with place:
                if current:
                    run_view.draw(selection.selected_runs(current), current)
                else:
                    _no_runs()
            selection.write(current)
            if _ids(current) != ids or any(not run.over for run in current) != active:
                st.rerun()  # the form, the chip and the clock change too

    st.fragment(refresh, run_every=EVERY if active else None)()


def _ids(runs: Sequence[Run]) -> list[tuple[str, bool]]:
    """The ids of the runs, and whether each is queued."""
    return [(run.id, run.state == "queued") for run in runs]


def _no_runs() -> None:
    st.subheader("No runs yet")
    st.caption(
        "The pruned network is trained with the unpruned one as its teacher, in a separate "
        "process: a run continues when you close this page, and you find it here again. Accuracy, "
        "loss, temperature, learning rate and speed appear after each epoch."
    )
    if entries(loaders.home(), known_runs.KINDS):
        st.caption("This page shows the runs of this network. The others are on the Start page.")
