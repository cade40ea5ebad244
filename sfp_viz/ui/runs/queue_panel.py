"""The queue of runs: their order, which can be changed, and when each is expected to start."""

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

SHOWN = 6  # runs of a long queue that are shown at first
_ALL = "queue_all"  # session_state: whether the whole queue is shown


_STYLE = (
    "<style>[class*=st-key-queue_row]{flex-wrap:nowrap}"
    "[class*=st-key-queue_row] p{font-size:14px;line-height:1.35}"
    "[class*=st-key-queue_row] button{min-height:28px;padding:0 5px}</style>"
)


def panel() -> None:
    """Draw the queued runs, the next one first; nothing if the queue is empty."""
    home = loaders.home()
    activity = read_activity(home)
    if not activity.queued:
        return
    starts = _starts(home, tuple(run.id for run in (*activity.working, *activity.queued)))
    many = len(activity.queued) > SHOWN and not st.session_state.get(_ALL)
    with st.container(border=True, key="queue", gap="small"):
        st.html(_STYLE)
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(f"**Queued: {len(activity.queued)}**", width="content")
            _slots_field()
        names = run_names.list_names(activity.queued)
        for place, run in enumerate(activity.queued[: SHOWN if many else None]):
            _row(run, names[place], place, len(activity.queued), starts.get(run.id))
        if many:
            st.button(
                f"Show {len(activity.queued) - SHOWN} more", key="queue_more", type="tertiary",
                on_click=st.session_state.__setitem__, args=(_ALL, True),
            )  # fmt: skip
        st.caption("Start times are estimated from finished epochs of the same network.")


def start_text(start: float | None, current_time: float) -> str:
    """When a run is expected to start, in words.

    Args:
        start: Expected start in seconds since 1970, None if unknown.
        current_time: The current time in seconds since 1970.
    """
    if start is None:
        return "start time not known yet"
    start_time, present = datetime.fromtimestamp(start), datetime.fromtimestamp(current_time)
    if start_time.date() == present.date():
        return f"starts at about {start_time:%H:%M}"
    days = (
        f"{start_time:%A} at about {start_time:%H:%M}"
        if start - current_time < 6 * 86400
        else f"about {start_time:%d %b}"
    )
    return f"starts on {days}"


@st.cache_data(ttl=15, max_entries=16, show_spinner=False)  # the page refreshes each second
def _starts(home: Path, runs: tuple[str, ...]) -> dict[str, float | None]:
    """When each queued run is expected to start, in seconds since 1970; ``runs`` is the cache
    key."""
    current_time = time.time()
    waits = queue.expected_starts(home)
    return {run: None if wait is None else current_time + wait for run, wait in waits.items()}


def _row(run: Run, name: str, place: int, count: int, start: float | None) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"queue_row_{run.id}"
    ):
        epochs = setting_text("epochs", run.total)
        label = name if epochs in name else f"{name}, {epochs}"
        if run.facts.get("digest") != loaders.digest(state.session().model):
            label = f"{job_chip.network_of(run)}, {label}"
        if run.done:
            label += f", {run.done} done"
        text = f"{place + 1}\\. {problems.plain(label)}  \n:gray[{start_text(start, time.time())}]"
        st.markdown(text, width="stretch")
        with st.container(horizontal=True, width="content", gap=None):
            _button(run, "keyboard_arrow_up", "Move up", _move_by(-1), off=place == 0)
            _button(run, "keyboard_arrow_down", "Move down", _move_by(1), off=place == count - 1)
            _button(run, "close", "Remove from queue", _withdraw)


def _button(
    run: Run, icon: str, label: str, action: Callable[[Run], None], *, off: bool = False
) -> None:
    st.button(
        "", key=f"queue_{icon}_{run.id}", icon=f":material/{icon}:", help=label, type="tertiary",
        disabled=off, on_click=_act, args=(action, run),
    )  # fmt: skip


def _act(action: Callable[[Run], None], run: Run) -> None:
    """Do ``action``; an error, such as that the run has started meanwhile, becomes a toast."""
    try:
        action(run)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")


def _move_by(steps: int) -> Callable[[Run], None]:
    """Move a run by ``steps`` places from where it is at the click."""

    def move(run: Run) -> None:
        home = loaders.home()
        ids = [other.id for other in queue.queued_runs(home)]
        place = ids.index(run.id) if run.id in ids else 0
        queue.move(run.path, max(0, place + steps), home=home)

    return move


def _withdraw(run: Run) -> None:
    queue.withdraw(run.path, home=loaders.home())


def _slots_field() -> None:
    """Draw how many runs may be under way at a time; as text if the environment decides."""
    home = loaders.home()
    number, source = slots.slot_setting(home)
    if source == "variable":
        st.caption(f"{number} at a time, set by {slots.VARIABLE}", width="content")
        return
    key = f"queue_at_once_{number}"  # the value comes from the workspace, not from this session
    options = sorted({1, 2, 3, 4, 6, 8, number})

    def change() -> None:
        value = st.session_state[key]
        if value == number:
            return
        try:
            slots.set_slots(home, value)
            queue.start_waiting(home)
        except SfpError as problem:
            st.toast(problems.plain(str(problem)), icon=":material/error:")

    st.selectbox(
        "At a time", options, index=options.index(number), key=key, on_change=change, width=130,
        format_func=lambda n: f"{n} at a time", label_visibility="collapsed",
        help="How many runs are under way at a time. With more than one, each is slower unless "
        "it has its own GPU.",
    )  # fmt: skip
