"""The live part of the page Fine-tune: the list of runs and what is drawn of them, one timer."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.ui import drawn, known_runs, problems, run_list, run_view

EVERY = 1.0  # seconds between two looks while something goes


def watch(digest: str, *, listed: Any, place: Any) -> None:
    """The runs of the network ``digest``: the list in the container ``listed``, the curves in
    ``place``; read again each second while one of them goes, and the clock stops with them."""
    runs = known_runs.runs_of(digest)
    ids, going = [run.id for run in runs], any(not run.over for run in runs)
    drawn.read(runs)

    def look() -> None:
        with problems.shown():
            now = known_runs.runs_of(digest)
            if [run.id for run in now] != ids or any(not run.over for run in now) != going:
                st.rerun()  # a run came or went: the form, the chip and the clock change too
            with listed:
                run_list.table(now)
            with place:
                run_view.draw(drawn.together(now), now)
            drawn.write(now)

    st.fragment(look, run_every=EVERY if going else None)()
