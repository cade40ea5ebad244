"""The selected runs, which are drawn together: the watched one and others, each with a color slot.

The address holds the selection as ``runs``, so that a reload, a link and a second tab show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.runs.storage.records import Run
from sfp_viz.ui.session import state

MOST = 6  # curves that can be distinguished
_KEY = "runs drawn"  # session_state: {id of a run: its slot}, in order of selection
_QUERY = "runs"


def watched_run(runs: Sequence[Run]) -> Run | None:
    """The run to watch: that of the session, else one under way, else the newest; None for none."""
    selected_run = next((run for run in runs if run.id == state.session().run), None)
    active = [run for run in runs if not run.over]
    working = [run for run in active if run.state != "queued"]
    return selected_run or next(iter([*working, *active, *runs]), None)


def keep_watching(runs: Sequence[Run]) -> None:
    """Make the watched run that of the session, so that the page keeps showing it when another one
    starts: its buttons must not change under the pointer."""
    main = watched_run(runs)
    if main is not None and main.id != state.session().run:
        state.change(run=main.id)


def selected_runs(runs: Sequence[Run]) -> tuple[tuple[Run, int], ...]:
    """The selected runs with their slots 0..5, the watched one first; () without runs."""
    main, slots = watched_run(runs), _slots()
    if main is None:
        return ()
    if main.id not in slots:  # it was not selected in the list, but for example just started
        return ((main, 0),)
    others = [run for run in runs if run.id in slots and run is not main]
    if not others:
        return ((main, 0),)
    return tuple((run, slots[run.id]) for run in (main, *others))


def choose(ids: Sequence[str], main: str = "") -> None:
    """Select runs and watch the newly selected one. Runs that were selected before keep their
    slots, hence their colors.

    Args:
        ids: Ids of the runs.
        main: Id of the run that was watched before.
    """
    before = _slots()
    if main not in before:
        before = {main: 0}
    kept = {name: slot for name, slot in before.items() if name in ids}
    added = [name for name in ids if name not in kept][: MOST - len(kept)]
    for name in added:
        kept[name] = next(slot for slot in range(MOST) if slot not in kept.values())
    st.session_state[_KEY] = kept
    if added:
        state.change(run=added[-1])
    elif kept and main not in kept:
        state.change(run=next(iter(kept)))


def read(runs: Sequence[Run]) -> None:
    """Take over the selection in the address, once in a browser session."""
    if _KEY in st.session_state:
        return
    ids_here = {run.id for run in runs}
    ids = [name for name in st.query_params.get(_QUERY, "")[:600].split(".") if name in ids_here]
    if ids and not state.session().run:
        choose(ids[:MOST], main=ids[0])
        state.change(run=ids[0])
    else:
        st.session_state[_KEY] = {}


def write(runs: Sequence[Run]) -> None:
    """Write the selection into the address."""
    text = ".".join(run.id for run, _ in selected_runs(runs))
    if not text:
        st.query_params.pop(_QUERY, None)
    elif st.query_params.get(_QUERY) != text:
        st.query_params[_QUERY] = text


def _slots() -> dict[str, int]:
    return dict(st.session_state.get(_KEY) or {})
