"""The live part of the page Fine-tune: the list of runs, the line, and what is drawn; one timer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sfp_viz.runs.results.catalog import entries
from sfp_viz.runs.storage.records import Run
from sfp_viz.ui import problems
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.runs import queue_panel, run_list, run_view, selection

EVERY = 1.0  # seconds between two looks while something goes
# what is being drawn anew stays as it is meanwhile, instead of fading on a busy machine
_STYLE = (
    "<style>.st-key-live [data-stale=true],.st-key-live_list [data-stale=true]"
    "{opacity:1!important;transition:none!important}</style>"
)


def watch(digest: str, *, listed: Any, place: Any) -> None:
    """The runs of the network ``digest``: the list in the container ``listed``, the curves in
    ``place``; read again each second while one of them goes, and the clock stops with them."""
    runs = known_runs.runs_of(digest)
    ids, going = _standing(runs), any(not run.over for run in runs)
    selection.read(runs)
    with listed:
        listed = st.container(key="live_list")
    with place:
        st.html(_STYLE)
        place = st.container(key="live")

    def look() -> None:
        with problems.shown():
            now = known_runs.runs_of(digest)
            selection.stay(now)
            with listed:
                if now:
                    run_list.table(now)
                queue_panel.panel()
            with place:
                run_view.draw(selection.together(now), now) if now else _nothing()
            selection.write(now)
            if _standing(now) != ids or any(not run.over for run in now) != going:
                st.rerun()  # a run came or went: the form, the chip and the clock change too

    st.fragment(look, run_every=EVERY if going else None)()


def _standing(runs: Sequence[Run]) -> list[tuple[str, bool]]:
    """Which runs there are, and which of them wait in line."""
    return [(run.id, run.state == "queued") for run in runs]


def _nothing() -> None:
    st.subheader("No run yet")
    st.caption(
        "The pruned network learns from the unpruned one, in a process of its own: a run goes on "
        "when this page is closed, and is found again from here. Accuracy, loss, temperature, "
        "learning rate and speed appear epoch by epoch."
    )
    if entries(loaders.home(), known_runs.KINDS):
        st.caption("Here are the runs of this network. Those of others are on the page Start.")
