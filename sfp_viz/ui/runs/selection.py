"""Which runs are drawn together: the one that is watched, and others over it, each with its slot.

The choice stands in the address as ``runs``, so that a refresh, a link and a second tab show it.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.runs.storage.records import Run
from sfp_viz.ui.session import state

MOST = 6  # curves that can be told apart
_KEY = "runs drawn"  # session_state: {id of a run: its slot}, in the order they were chosen
_QUERY = "runs"


def watched(runs: Sequence[Run]) -> Run | None:
    """The run being watched: the session's, else one that is going, else the newest."""
    named = next((run for run in runs if run.id == state.session().run), None)
    going = [run for run in runs if not run.over]
    at_work = [run for run in going if run.state != "queued"]
    return named or next(iter([*at_work, *going, *runs]), None)


def stay(runs: Sequence[Run]) -> None:
    """Watch from now on the run that is on the screen, whatever becomes of it or of others: its
    buttons must not turn into those of another run under a hand."""
    main = watched(runs)
    if main is not None and main.id != state.session().run:
        state.change(run=main.id)


def together(runs: Sequence[Run]) -> tuple[tuple[Run, int], ...]:
    """The watched run first, then those that are drawn with it, each with its slot 0..5."""
    main, chosen = watched(runs), _chosen()
    if main is None:
        return ()
    if main.id not in chosen:  # chosen elsewhere, such as by a start: it stands alone
        return ((main, 0),)
    others = [run for run in runs if run.id in chosen and run is not main]
    if not others:
        return ((main, 0),)
    return tuple((run, chosen[run.id]) for run in (main, *others))


def choose(ids: Sequence[str], main: str = "") -> None:
    """Draw the runs ``ids``; the one that is new among them is watched from now on, ``main`` was
    until now. The others keep their slots, hence their colors."""
    before = _chosen()
    if main not in before:
        before = {main: 0}
    kept = {name: slot for name, slot in before.items() if name in ids}
    fresh = [name for name in ids if name not in kept][: MOST - len(kept)]
    for name in fresh:
        kept[name] = next(slot for slot in range(MOST) if slot not in kept.values())
    st.session_state[_KEY] = kept
    if fresh:
        state.change(run=fresh[-1])
    elif kept and main not in kept:
        state.change(run=next(iter(kept)))


def read(runs: Sequence[Run]) -> None:
    """Take over what the address says, on the first look of a browser session."""
    if _KEY in st.session_state:
        return
    known = {run.id for run in runs}
    asked = [name for name in st.query_params.get(_QUERY, "")[:600].split(".") if name in known]
    if asked and not state.session().run:
        choose(asked[:MOST], main=asked[0])
        state.change(run=asked[0])
    else:
        st.session_state[_KEY] = {}


def write(runs: Sequence[Run]) -> None:
    """Bring the address up to date."""
    text = ".".join(run.id for run, _ in together(runs))
    if not text:
        st.query_params.pop(_QUERY, None)
    elif st.query_params.get(_QUERY) != text:
        st.query_params[_QUERY] = text


def _chosen() -> dict[str, int]:
    return dict(st.session_state.get(_KEY) or {})
