"""The line of trainings on a page: who is next, when that may be, and the order to be changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs import queue
from sfp_viz.runs.results.names import setting_text
from sfp_viz.runs.scheduling import slots
from sfp_viz.runs.scheduling.activity import read_activity
from sfp_viz.runs.storage.records import Run
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.runs import job_chip, run_names
from sfp_viz.ui.session import state

SHOWN = 6  # runs of a long line that are shown at first
_ALL = "queue_all"  # session_state: whether the whole line is shown


_STYLE = (
    "<style>[class*=st-key-queue_row]{flex-wrap:nowrap}"
    "[class*=st-key-queue_row] p{font-size:14px;line-height:1.35}"
    "[class*=st-key-queue_row] button{min-height:28px;padding:0 5px}</style>"
)


def panel() -> None:
    """The runs in line, the next one first; nothing where nothing waits."""
    home = loaders.home()
    now = read_activity(home)
    if not now.queued:
        return
    starts = _starts(home, tuple(run.id for run in (*now.working, *now.queued)))
    many = len(now.queued) > SHOWN and not st.session_state.get(_ALL)
    with st.container(border=True, key="queue", gap="small"):
        st.html(_STYLE)
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(f"**In line: {len(now.queued)}**", width="content")
            _at_once()
        called = run_names.in_list(now.queued)
        for place, run in enumerate(now.queued[: SHOWN if many else None]):
            _row(run, called[place], place, len(now.queued), starts.get(run.id))
        if many:
            st.button(
                f"Show {len(now.queued) - SHOWN} more", key="queue_more", type="tertiary",
                on_click=st.session_state.__setitem__, args=(_ALL, True),
            )  # fmt: skip
        st.caption("Starts are estimated from epochs of runs of the same network that are done.")


def when(start: float | None, now: float) -> str:
    """The time of day at which something starts, in words; both in seconds since 1970."""
    if start is None:
        return "start not known yet"
    at, today = datetime.fromtimestamp(start), datetime.fromtimestamp(now)
    if at.date() == today.date():
        return f"starts about {at:%H:%M}"
    return f"starts about {at:%A %H:%M}" if start - now < 6 * 86400 else f"starts about {at:%d %b}"


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)  # the page is drawn each second
def _starts(home: Path, runs: tuple[str, ...]) -> dict[str, float | None]:
    """When each run in line starts, estimated, in seconds since 1970; ``runs`` is what it is of."""
    found = queue.expected_starts(home)
    now = time.time()
    return {name: None if left is None else now + left for name, left in found.items()}


def _row(run: Run, name: str, place: int, count: int, start: float | None) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"queue_row_{run.id}"
    ):
        epochs = setting_text("epochs", run.total)
        what = name if epochs in name else f"{name}, {epochs}"
        if run.facts.get("digest") != loaders.digest(state.session().model):
            what = f"{job_chip.network_of(run)}, {what}"
        if run.done:
            what += f", {run.done} done"
        text = f"{place + 1}\\. {problems.plain(what)}  \n:gray[{when(start, time.time())}]"
        st.markdown(text, width="stretch")
        with st.container(horizontal=True, width="content", gap=None):
            _button(run, "keyboard_arrow_up", "Earlier", _by(-1), off=place == 0)
            _button(run, "keyboard_arrow_down", "Later", _by(1), off=place == count - 1)
            _button(run, "close", "Take it out of the line", _withdraw)


def _button(
    run: Run, icon: str, label: str, what: Callable[[Run], None], *, off: bool = False
) -> None:
    st.button(
        "", key=f"queue_{icon}_{run.id}", icon=f":material/{icon}:", help=label, type="tertiary",
        disabled=off, on_click=_act, args=(what, run),
    )  # fmt: skip


def _act(what: Callable[[Run], None], run: Run) -> None:
    """Do it; a problem, such as that the run has started meanwhile, becomes a toast."""
    try:
        what(run)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")


def _by(steps: int) -> Callable[[Run], None]:
    """Move a run by so many places, from where it stands now: others may have left the line."""

    def move(run: Run) -> None:
        home = loaders.home()
        names = [other.id for other in queue.queued_runs(home)]
        place = names.index(run.id) if run.id in names else 0
        queue.move(run.path, max(0, place + steps), home=home)

    return move


def _withdraw(run: Run) -> None:
    queue.withdraw(run.path, home=loaders.home())


def _at_once() -> None:
    """How many may work at a time; only said where the environment decides."""
    home = loaders.home()
    number, source = slots.slot_setting(home)
    if source == "variable":
        st.caption(f"{number} at a time, set by {slots.VARIABLE}", width="content")
        return
    key = f"queue_at_once_{number}"  # the value comes from the workspace, not from this session
    options = sorted({1, 2, 3, 4, 6, 8, number})

    def chosen() -> None:
        wanted = st.session_state[key]
        if wanted == number:
            return
        try:
            slots.set_slots(home, wanted)
            queue.start_waiting(home)
        except SfpError as problem:
            st.toast(problems.plain(str(problem)), icon=":material/error:")

    st.selectbox(
        "At a time", options, index=options.index(number), key=key, on_change=chosen, width=130,
        format_func=lambda n: f"{n} at a time", label_visibility="collapsed",
        help="So many trainings work at once. More than one makes each of them slower, unless each "
        "has its own graphics card.",
    )  # fmt: skip
