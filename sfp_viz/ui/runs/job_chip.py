"""The job chip: on every page, which runs are under way, how many are queued, which failed.

It refreshes every few seconds while a run is under way, and not at all otherwise. A page has one
clock: on Fine-tune that is the page's own, as long as runs of its network are under way.
"""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.nets.io import samples
from sfp_viz.runs import queue
from sfp_viz.runs.scheduling.activity import Activity, mark_seen, read_activity
from sfp_viz.runs.storage.records import Run
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import percent
from sfp_viz.ui import problems
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.navigation import links, steps_panel
from sfp_viz.ui.navigation.network_switch import open_network
from sfp_viz.ui.session import state

EVERY = 3.0  # seconds between two refreshes while a run is under way
WATCHED = "finetune"  # the page with a clock of its own
_STYLE = (
    "<style>.st-key-jobs{flex-wrap:nowrap;position:relative;top:7px}"
    ".st-key-jobs button{min-height:26px;padding:0 10px}"  # no higher than the title beside it
    ".st-key-jobs button p{font-size:13px;white-space:nowrap;overflow:hidden;"
    "text-overflow:ellipsis;max-width:min(56vw,400px)}</style>"
)


def chip(page: str = "") -> None:
    """Draw the chip on the page called ``page``; nothing if no run is under way and none failed."""
    activity_at_start = _activity()
    busy = _busy(activity_at_start)
    clock = busy and not (page == WATCHED and _of_this_network(activity_at_start))
    if page == WATCHED:
        _note_failures(activity_at_start)  # the list of this page shows them
    unread = [activity_at_start]

    def draw() -> None:
        activity = unread.pop() if unread else _activity()
        changed = _busy(activity) != busy
        if changed or (page == WATCHED and _ids(activity) != _ids(activity_at_start)):
            st.rerun()  # the clock stops, or the queue and the list on the page change
        _draw(activity, progress=clock)

    st.fragment(draw, run_every=EVERY if clock else None)()


def label(activity: Activity, *, progress: bool = True) -> str:
    """The label of the chip: the newest run under way, how many more there are, and how many are
    queued.

    Args:
        activity: The runs of the workspace.
        progress: Whether the progress of that run is included; without a clock it would be
            outdated.
    """
    texts = []
    if activity.working:
        run = activity.working[0]
        texts.append(f"{run_labels.KINDS.get(run.kind, run.kind)}: {network_of(run)}")
        if progress:
            running = run.state == "running"
            state = percent(run.progress, 0) if running else run_labels.STATES[run.state].lower()
            texts.append(state)
        if more := len(activity.working) - 1:
            texts.append(f"{more} more")
    if activity.queued:
        texts.append(f"{len(activity.queued)} queued")
    return ", ".join(texts)


def network_of(run: Run) -> str:
    """The name of the network of ``run``."""
    name = run.facts.get("model")
    return steps_panel.network_title(name) if name in samples.sample_names() else run.name


def open_run(run: Run) -> None:
    """Open ``run`` on its page, with its network if the workspace has it."""
    model = run.facts.get("model")
    if not isinstance(model, str) or model not in links.known_models():
        model = state.session().model
    watched = run.kind in known_runs.KINDS
    open_network(model, **({"run": run.id} if watched else {}))
    st.switch_page("pages/finetune.py" if watched else "pages/plan.py")


def _draw(activity: Activity, *, progress: bool) -> None:
    if not _busy(activity) and not activity.failed:
        return
    with st.container(
        horizontal=True, vertical_alignment="center", width="content", gap="small", key="jobs"
    ):
        st.html(_STYLE)
        if _busy(activity):
            text = problems.plain(label(activity, progress=progress))
            if st.button(text, key="job", icon=":material/progress_activity:", help=text):
                open_run((activity.working or activity.queued)[0])
        if activity.failed:
            text = f"{len(activity.failed)} failed"
            if st.button(text, key="job_failed", icon=":material/error:", help="Show the newest"):
                for run in activity.failed:
                    mark_seen(run.path)
                open_run(activity.failed[0])


def _activity() -> Activity:
    """The runs of the workspace; a queue without a dispatcher gets one."""
    home = loaders.home()
    activity = read_activity(home)
    with suppress(SfpError, OSError):  # reported where runs are started
        queue.ensure_dispatcher(home, activity=activity)
    return activity


def _note_failures(activity: Activity) -> None:
    digest = _digest()
    for run in activity.failed:
        if run.facts.get("digest") == digest:
            mark_seen(run.path)


def _of_this_network(activity: Activity) -> bool:
    """Whether runs of the current network are under way: then the page Fine-tune has a clock."""
    digest = _digest()
    runs = [r for r in (*activity.working, *activity.queued) if r.kind in known_runs.KINDS]
    return any(run.facts.get("digest") == digest for run in runs)


def _digest() -> str:
    try:
        return loaders.digest(state.session().model)
    except SfpError:
        return ""


def _busy(activity: Activity) -> bool:
    return bool(activity.working or activity.queued)


def _ids(activity: Activity) -> tuple[tuple[str, ...], ...]:
    return tuple(run.id for run in activity.working), tuple(run.id for run in activity.queued)
