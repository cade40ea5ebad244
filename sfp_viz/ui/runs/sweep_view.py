"""A sweep on the page: the accuracy of each recipe at each target, and its runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs import sweep_control
from sfp_viz.runs.results.sweeps import (
    Cell,
    Child,
    Spread,
    deletion_note,
    sweep_children,
    sweep_summary,
)
from sfp_viz.runs.storage.records import Run
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import RECIPE_NAMES
from sfp_viz.ui import problems
from sfp_viz.ui.session import state

_Color = Literal["blue", "green", "gray", "orange", "red"]
_COLORS: Mapping[str, _Color] = {  # by state
    "waiting": "blue", "running": "blue", "finished": "green", "failed": "red", "lost": "red",
    "paused": "orange", "pausing": "orange",
}  # fmt: skip


def draw(run: Run) -> None:
    """Draw the progress of the sweep ``run``, the means of its recipes, and its runs, which open on
    a click."""
    members = sweep_children(run)
    cells = sweep_summary(members)
    done, total = sum(cell.done for cell in cells), sum(cell.of for cell in cells)
    active = [child for child in members if child.run is not None and not child.run.over]
    st.progress(done / max(1, total), text=f"{done} of {total} trainings finished")
    lost_children = sweep_control.lost_children(run)
    if lost_children and run.state == "finished":  # else resuming the sweep does it
        st.button(
            f"Queue {len(lost_children)} again", key="sweep_back", icon=":material/play_arrow:",
            on_click=_requeue, args=(run,),
            help="Trainings whose worker was lost or never started continue from their last "
            "checkpoint.",
        )  # fmt: skip
    if note := sweep_control.put_back_text(run, 0):
        st.caption(problems.plain(note))
    if active:
        st.button(
            "Stop all trainings", key="sweep_stop", icon=":material/stop:",
            on_click=_stop, args=(run,),
            help="Removes queued trainings from the queue and stops running ones. Each can be "
            "resumed.",
        )  # fmt: skip
    st.dataframe(
        pd.DataFrame([_row(cell) for cell in cells]), hide_index=True, row_height=30,
        placeholder="",
        column_config={
            "MACs": st.column_config.NumberColumn(format="compact", help="Mean (counted)"),
        },
    )  # fmt: skip
    st.caption(
        "Accuracies measured on test images: mean over seeds, ± standard deviation for two or more."
    )
    if done and st.button("Compare", key="sweep_compare", icon=":material/scatter_plot:"):
        st.switch_page("pages/compare.py")
    for text in dict.fromkeys(f"{_name(c.recipe)}: {c.problem}" for c in cells if c.problem):
        st.caption(problems.plain(text))
    _runs(run, [child for child in members if child.run is not None])
    if run.over:
        note = deletion_note(run)
        st.caption(f"If you delete this sweep: {note[0].lower()}{note[1:]}")


def state_label(run: Run, runs: Sequence[Run]) -> str:
    """The state of a run for its badge. The worker of a sweep is finished once it has created all
    trainings; the label counts those that are trained.

    Args:
        run: The run.
        runs: All runs of its network.
    """
    if run.kind != "sweep" or run.state != "finished":
        return run_labels.STATES[run.state]
    members = [other for other in runs if other.facts.get("sweep") == run.id]
    done, total = sum(other.state == "finished" for other in members), len(members)
    return f"{done} of {total} trained" if done < total else run_labels.STATES[run.state]


def badge(run: Run, runs: Sequence[Run]) -> None:
    """Draw the state of a run in its color: blue while it or one of its trainings is under way.

    Args:
        run: The run.
        runs: All runs of the network.
    """
    label = state_label(run, runs)
    color = _COLORS.get(run.state, "gray")
    if label != run_labels.STATES[run.state]:
        members = [other for other in runs if other.facts.get("sweep") == run.id]
        color = "orange" if all(other.over for other in members) else "blue"
    st.badge(label, color=color)


def sweep_link(run: Run) -> None:
    """Draw the button that opens the sweep of a run; nothing for a run without one."""
    sweep = str(run.facts.get("sweep") or "")
    if sweep and (run.path.parent / sweep / "sweep.json").exists():
        st.button(
            "Part of a sweep", key="run_sweep", type="tertiary", icon=":material/grid_view:",
            on_click=state.change, kwargs={"run": sweep}, help="Open the sweep.",
        )  # fmt: skip


def _runs(run: Run, members: Sequence[Child]) -> None:
    if not members:
        return
    ids = [child.run.id for child in members if child.run is not None]
    digest = hashlib.sha256(" ".join([run.id, *ids]).encode()).hexdigest()[:16]
    key = f"sweep_runs_{digest}"

    def open_row() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows and ids[rows[0]] != state.session().run:
            state.change(run=ids[rows[0]])

    st.markdown("**Trainings.** Select a row to open one.")
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame([_child(child) for child in members]), key=key, hide_index=True,
        on_select=open_row, selection_mode="single-row", row_height=30, placeholder="",
        column_config={
            "One-shot": number(format="%.1f %%"),
            "Accuracy": number(format="%.1f %%", help="After the last epoch (measured)"),
        },
    )  # fmt: skip


def _row(cell: Cell) -> dict:
    return {
        "Target": percent(cell.target, 0),
        "Recipe": _name(cell.recipe),
        "MACs": cell.macs,
        "One-shot": _spread(cell.one_shot),
        "Fine-tuned": _spread(cell.accuracy),
        "Finished": f"{cell.done} of {cell.of}"
        + (f", {cell.stopped} stopped" if cell.stopped else ""),
    }


def _child(child: Child) -> dict:
    run, member = child.run, child.member
    assert run is not None
    last = run.epochs[-1].test_accuracy if run.epochs else None
    return {
        "Target": percent(member.target, 0),
        "Recipe": _name(member.name),
        "Seed": member.seed,
        "State": run_labels.STATES[run.state],
        "Epochs": f"{len(run.epochs)} of {run.settings.epochs}",
        "One-shot": 100 * run.before.one_shot if run.before else None,
        "Accuracy": 100 * last if last is not None else None,
    }


def _name(recipe: str) -> str:
    return "Custom recipe" if recipe == "own" else RECIPE_NAMES.get(recipe, recipe).split(" (")[0]


def _spread(value: Spread | None) -> str:
    if value is None:
        return "–"
    text = percent(value.mean)
    return text if value.deviation is None else f"{text} ± {100 * value.deviation:.1f}"


def _stop(run: Run) -> None:
    _act(sweep_control.stop_children, run)


def _requeue(run: Run) -> None:
    _act(sweep_control.put_back, run)


def _act(action: Callable[[Run], int], run: Run) -> None:
    try:
        action(run)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
