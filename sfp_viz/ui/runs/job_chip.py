"""The job chip: on every page, what is at work, how many wait for their turn, what failed.

It looks again at a calm pace while something goes, and not at all otherwise. A page has one clock:
on Fine-tune that is the page's own, as long as runs of its network go.
"""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.nets.io import samples
from sfp_viz.runs import queue
from sfp_viz.runs.scheduling.activity import Activity, mark_seen, read_activity
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import percent
from sfp_viz.ui import problems
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.navigation import links, steps_panel
from sfp_viz.ui.session import state

EVERY = 3.0  # seconds between two looks while something goes
WATCHED = "finetune"  # the page with a clock of its own
DOING = {
    "finetune": "Fine-tuning",
    "steps": "Pruning in steps:",
    "sparsify": "Making sparse:",
    "sweep": "Sweep of",
    "sensitivity": "Sensitivity of",
    "trust": "Putting to the test:",
    "latency": "Timing the layers of",
    "observe": "Looking at images for",
}
_STYLE = (
    "<style>.st-key-jobs{flex-wrap:nowrap;position:relative;top:7px}"
    ".st-key-jobs button{min-height:26px;padding:0 10px}"  # no higher than the title beside it
    ".st-key-jobs button p{font-size:13px;white-space:nowrap;overflow:hidden;"
    "text-overflow:ellipsis;max-width:min(56vw,400px)}</style>"
)


def chip(page: str = "") -> None:
    """The chip on the page called ``page``; nothing where nothing goes and nothing failed."""
    first = _look()
    moving = _moving(first)
    clock = moving and not (page == WATCHED and _of_this_network(first))
    if page == WATCHED:
        _note_failures(first)  # they stand in the list of this page
    kept = [first]

    def draw() -> None:
        now = kept.pop() if kept else _look()
        changed = _moving(now) != moving
        if changed or (page == WATCHED and _standing(now) != _standing(first)):
            st.rerun()  # the clock stops, or the line and the list on the page are others now
        _draw(now, progress=clock)

    st.fragment(draw, run_every=EVERY if clock else None)()


def words(now: Activity, *, progress: bool = True) -> str:
    """What goes on, in a few words: the newest run at work, how far it is, and how many more."""
    parts = []
    if now.working:
        run = now.working[0]
        name = f"{DOING.get(run.kind, run.kind)} {network_of(run)}"
        far = percent(run.progress, 0) if run.state == "running" else run.state
        parts.append(f"{name}: {far}" if progress else name)
        if more := len(now.working) - 1:
            parts.append(f"{more} more")
    if now.queued:
        parts.append(f"{len(now.queued)} in line")
    return ", ".join(parts)


def network_of(run: Run) -> str:
    """The name of the network that ``run`` is about."""
    name = run.facts.get("model")
    return steps_panel.network_title(name) if name in samples.sample_names() else run.name


def open_run(run: Run) -> None:
    """Go to ``run`` on its page, with its network if that is known here."""
    model = run.facts.get("model")
    known = {"model": model} if model in links.known_models() else {}
    watched = run.kind in known_runs.KINDS
    state.change(**known, **({"run": run.id} if watched else {}))
    st.switch_page("pages/finetune.py" if watched else "pages/plan.py")


def _draw(now: Activity, *, progress: bool) -> None:
    if not _moving(now) and not now.failed:
        return
    with st.container(
        horizontal=True, vertical_alignment="center", width="content", gap="small", key="jobs"
    ):
        st.html(_STYLE)
        if _moving(now):
            label = problems.plain(words(now, progress=progress))
            if st.button(label, key="job", icon=":material/progress_activity:", help=label):
                open_run((now.working or now.queued)[0])
        if now.failed:
            label = f"{len(now.failed)} failed"
            if st.button(label, key="job_failed", icon=":material/error:", help="Show the newest"):
                for run in now.failed:
                    mark_seen(run.path)
                open_run(now.failed[0])


def _look() -> Activity:
    """What goes on; a line without a dispatcher gets one. Trouble with it is told elsewhere."""
    home = loaders.home()
    now = read_activity(home)
    with suppress(SfpError, OSError):
        queue.ensure_dispatcher(home, now=now)
    return now


def _note_failures(now: Activity) -> None:
    digest = _digest()
    for run in now.failed:
        if run.facts.get("digest") == digest:
            mark_seen(run.path)


def _of_this_network(now: Activity) -> bool:
    """Whether runs of the network on the screen go: then the page Fine-tune has a clock."""
    digest = _digest()
    ours = [run for run in (*now.working, *now.queued) if run.kind in known_runs.KINDS]
    return any(run.facts.get("digest") == digest for run in ours)


def _digest() -> str:
    try:
        return loaders.digest(state.session().model)
    except SfpError:
        return ""


def _moving(now: Activity) -> bool:
    return bool(now.working or now.queued)


def _standing(now: Activity) -> tuple[tuple[str, ...], ...]:
    return tuple(run.id for run in now.working), tuple(run.id for run in now.queued)
