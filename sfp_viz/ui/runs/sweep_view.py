"""A sweep on the screen: what each recipe comes to at each target, and the runs behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.runs.results.sweeps import (
    Cell,
    Child,
    Spread,
    deletion_note,
    sweep_children,
    sweep_summary,
)
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.sweep_control import lost_children, put_back, stop_children
from sfp_viz.runs.sweep_control import put_back_text as line_words
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
    """How far the sweep ``run`` is, the means of its recipes, and its runs, each a row to open."""
    found = sweep_children(run)
    cells = sweep_summary(found)
    done, of = sum(cell.done for cell in cells), sum(cell.of for cell in cells)
    going = [child for child in found if child.run is not None and not child.run.over]
    st.progress(done / max(1, of), text=f"{done} of {of} trainings finished")
    lost = lost_children(run)
    if lost and run.state == "finished":  # else the sweep itself is resumed, and does it
        st.button(
            f"Put {len(lost)} back in line", key="sweep_back", icon=":material/play_arrow:",
            on_click=_back, args=(run,),
            help="Trainings whose workers are gone or never started go on from their last "
            "checkpoints.",
        )  # fmt: skip
    if note := line_words(run, 0):
        st.caption(problems.plain(note))
    if going:
        st.button(
            "Stop all its trainings", key="sweep_stop", icon=":material/stop:",
            on_click=_stop, args=(run,),
            help="Those in line leave it, those at work stop. Each can be resumed.",
        )  # fmt: skip
    st.dataframe(
        pd.DataFrame([_row(cell) for cell in cells]), hide_index=True, row_height=30,
        placeholder="",
        column_config={
            "MACs": st.column_config.NumberColumn(format="compact", help="Counted, the mean"),
        },
    )  # fmt: skip
    st.caption(
        "Accuracies measured on test images: the mean over seeds, ± their standard deviation where "
        "there are two or more."
    )
    if done and st.button("Compare", key="sweep_compare", icon=":material/scatter_plot:"):
        st.switch_page("pages/compare.py")
    for text in dict.fromkeys(f"{_name(c.recipe)}: {c.problem}" for c in cells if c.problem):
        st.caption(problems.plain(text))
    _runs(run, [child for child in found if child.run is not None])
    if run.over:
        left = deletion_note(run)
        st.caption(f"Before you delete this sweep: {left[0].lower()}{left[1:]}")


def state_words(run: Run, runs: Sequence[Run]) -> str:
    """The state of the sweep ``run`` for its badge; ``runs`` are all of its network. A sweep whose
    members are all laid out is finished for its worker, and for a person when they are trained."""
    if run.kind != "sweep" or run.state != "finished":
        return run_labels.STATES[run.state]
    mine = [one for one in runs if one.facts.get("sweep") == run.id]
    done = sum(one.state == "finished" for one in mine)
    return f"{done} of {len(mine)} trained" if done < len(mine) else run_labels.STATES[run.state]


def badge(run: Run, runs: Sequence[Run]) -> None:
    """The state of a run, in its color: blue while it, or a training of it, goes on."""
    words = state_words(run, runs)
    color = _COLORS.get(run.state, "gray")
    if words != run_labels.STATES[run.state]:
        mine = [one for one in runs if one.facts.get("sweep") == run.id]
        color = "orange" if all(one.over for one in mine) else "blue"
    st.badge(words, color=color)


def of_sweep(run: Run) -> None:
    """A way back to the sweep that a run belongs to; nothing for other runs."""
    sweep = str(run.facts.get("sweep") or "")
    if sweep and (run.path.parent / sweep / "sweep.json").exists():
        st.button(
            "Part of a sweep", key="run_sweep", type="tertiary", icon=":material/grid_view:",
            on_click=state.change, kwargs={"run": sweep}, help="Show the whole sweep.",
        )  # fmt: skip


def _runs(run: Run, found: Sequence[Child]) -> None:
    if not found:
        return
    ids = [child.run.id for child in found if child.run is not None]
    names = hashlib.sha256(" ".join([run.id, *ids]).encode()).hexdigest()[:16]
    key = f"sweep_runs_{names}"

    def picked() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows and ids[rows[0]] != state.session().run:
            state.change(run=ids[rows[0]])

    st.markdown("**Its trainings.** Choose a row to open one.")
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame([_child(child) for child in found]), key=key, hide_index=True,
        on_select=picked, selection_mode="single-row", row_height=30, placeholder="",
        column_config={
            "One-shot": number(format="%.1f %%"),
            "Accuracy": number(format="%.1f %%", help="Measured after the last epoch"),
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
    own = "Recipe of the page Plan"
    return own if recipe == "own" else RECIPE_NAMES.get(recipe, recipe).split(" (")[0]


def _spread(value: Spread | None) -> str:
    if value is None:
        return "–"
    text = percent(value.mean)
    return text if value.deviation is None else f"{text} ± {100 * value.deviation:.1f}"


def _stop(run: Run) -> None:
    _act(stop_children, run)


def _back(run: Run) -> None:
    _act(put_back, run)


def _act(what: Callable[[Run], int], run: Run) -> None:
    try:
        what(run)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
