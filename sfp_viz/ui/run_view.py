"""A run on the screen: its state, its curves, cancel and resume; and the list of all runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from sfp_viz.errors import RunError, SfpError
from sfp_viz.figures.numbers import count, duration, percent, span
from sfp_viz.runs import process
from sfp_viz.runs.folder import list_runs, read_run
from sfp_viz.runs.records import Run
from sfp_viz.runs.state import RESUMABLE
from sfp_viz.ui import loaders, problems, starting, state, trash
from sfp_viz.ui.components.live_lines import live_lines

_WORDS = {
    "waiting": "Waiting for its worker",
    "queued": "In line",
    "running": "Running",
    "pausing": "Pausing",
    "paused": "Paused",
    "cancelling": "Stopping",
    "finished": "Finished",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "lost": "Its worker is gone",
}


def runs_of(digest: str) -> tuple[Run, ...]:
    """Fine-tunings of one network, the newest first."""
    trained = list_runs(loaders.home(), kind="finetune")
    return tuple(run for run in trained if run.facts.get("digest") == digest)


def chosen(runs: Sequence[Run]) -> Run | None:
    """The run being watched: the session's, else one that is going, else the newest."""
    named = next((run for run in runs if run.id == state.session().run), None)
    going = next((run for run in runs if not run.over), None)
    return named or going or next(iter(runs), None)


def watch(run: Run) -> None:
    """The run, read again each second while it goes; the clock stops with it."""

    def look() -> None:
        with problems.shown():
            try:
                now = read_run(run.path)
            except RunError:
                if not run.path.exists():  # deleted, here or elsewhere
                    st.rerun()
                raise
            if now.over != run.over:  # the clock, the list and the links below change too
                st.rerun()
            _draw(now)

    st.fragment(look, run_every=None if run.over else 1.0)()


def table(runs: Sequence[Run]) -> None:
    """All runs; choosing a row watches that run."""
    rows = [_row(run) for run in runs]
    names = " ".join([str(runs[0].facts.get("digest")), *(run.id for run in runs)])
    key = f"runs_{hashlib.sha256(names.encode()).hexdigest()[:16]}"

    def picked() -> None:
        chosen_rows = st.session_state[key]["selection"]["rows"]
        if chosen_rows and (name := runs[chosen_rows[0]].id) != state.session().run:
            state.change(run=name)

    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows), key=key, hide_index=True, on_select=picked,
        selection_mode="single-row",
        column_config={
            "MACs": number("MACs, counted", format="localized"),
            "One-shot": number(format="%.1f %%"),
            "Test accuracy": number("Accuracy, measured", format="%.1f %%"),
        },
    )  # fmt: skip


def _draw(run: Run) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"**{problems.plain(run.name)}**, {title(run)}: {_WORDS[run.state]}")
        _buttons(run)
    if run.message:
        (st.error if run.state in ("failed", "lost") else st.caption)(problems.plain(run.message))
    if not run.over:
        st.progress(run.progress, text=_progress(run))
    _numbers(run)
    live_lines(
        run.epochs,
        key=f"lines_{run.id}",
        total=run.settings.epochs,
        start=run.before.one_shot if run.before else None,
    )


def title(run: Run) -> str:
    """What was pruned how, in a few words; a plan by the first digits of its hash."""
    kind = str(run.facts.get("kind"))
    if kind != "plan" and kind in starting.KINDS:
        return starting.KINDS[kind]
    name = str(run.facts.get("plan") or (run.plan.hash if run.plan else ""))
    return f"plan {name[:6]}" if name else "a plan"


def _buttons(run: Run) -> None:
    with st.container(horizontal=True, width="content"):
        if not run.over:
            st.button(
                "Cancel", key="run_cancel", on_click=_act, args=(process.request_cancel, run),
                disabled=run.state == "cancelling",
            )  # fmt: skip
        if run.state in RESUMABLE:
            st.button("Resume", key="run_resume", on_click=_act, args=(process.resume, run))
        if run.over:
            st.button("Delete", key="run_delete", on_click=_act, args=(trash.discard, run))


def _act(what, run: Run) -> None:
    try:
        what(run.path)
    except (SfpError, OSError) as problem:
        text = str(problem)
        if isinstance(problem, OSError):
            text = f"The files of the run '{run.id}' cannot be changed: {text}."
        st.toast(problems.plain(text), icon=":material/error:")


def _progress(run: Run) -> str:
    done, all_epochs = len(run.epochs), run.settings.epochs
    text = f"Epoch {min(done + 1, all_epochs)} of {all_epochs}"
    if run.phase and not run.epochs:
        text += f", {run.phase}"
    if run.epochs:
        each = sum(epoch.seconds for epoch in run.epochs) / done
        text += f", about {duration(each * (1 - run.progress) * all_epochs)} left (estimated)"
    return text


def _numbers(run: Run) -> None:
    if run.before is None and not run.epochs:
        return
    now = run.result.accuracy if run.result else None
    now = run.epochs[-1].test_accuracy if now is None and run.epochs else now
    with st.container(horizontal=True):
        if run.before:
            st.metric("One-shot accuracy", percent(run.before.one_shot))
        label = "Fine-tuned" if run.result else "When it stopped" if run.over else "Now"
        st.metric(label, percent(now) if now is not None else "–")
        if run.before and run.before.teacher_accuracy is not None:
            st.metric("Unpruned", percent(run.before.teacher_accuracy))
        if run.before:
            st.metric("MACs", count(run.before.macs))
    images = run.before.images if run.before else run.epochs[-1].test_images
    text = f"Accuracies measured on {images:,} test images of {problems.plain(run.data)}"
    if run.result:
        text += f"; 95 % interval of the fine-tuned one {span(run.result.interval)}"
        text += f"; trained for {duration(run.result.seconds)}"
    st.caption(text + ".")


def _row(run: Run) -> dict:
    begun = datetime.fromtimestamp(run.created)
    today = time.strftime("%Y-%m-%d") == begun.strftime("%Y-%m-%d")
    accuracy = run.epochs[-1].test_accuracy if run.epochs else None
    return {
        "Started": begun.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M"),
        "Pruned by": title(run),
        "State": _WORDS[run.state],
        "Epochs": f"{len(run.epochs)} of {run.settings.epochs}",
        "MACs": run.before.macs if run.before else None,
        "One-shot": 100 * run.before.one_shot if run.before else None,
        "Test accuracy": 100 * accuracy if accuracy is not None else None,
    }
