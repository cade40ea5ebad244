"""What a run that prunes while training came to, and the ways on from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from sfp_viz.core.cost.stripes import StripeChoice, StripeKind
from sfp_viz.errors import RunError
from sfp_viz.runs.results.differences import plan_of
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import (
    SPARSE,
    Outcome,
    StripeTimes,
    read_outcome,
    read_sparsify_request,
)
from sfp_viz.text.numbers import change, count, milliseconds, size
from sfp_viz.text.sparse_training import METHODS
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.recipe import training_reasons
from sfp_viz.ui.session import state

_RUNS: dict[StripeKind, str] = {
    "dense": "with zeros",
    "stripes": "skipping",
    "smaller": "smaller window",
}


def ways(run: Run) -> None:
    """Open the plan, once there is one; export and compare, once it is finished."""
    if not (run.path / "plan.json").is_file() or not (run.path / SPARSE).is_file():
        return
    with st.container(horizontal=True):
        if st.button(
            "Open as a plan",
            key="sparse_open",
            icon=":material/tune:",
            type="primary",
            help="Opens the trained, uncut network with the filters that went to 0 as its plan: "
            "one step, which Undo takes back. A plan holds whole filters; stripes are not in it.",
        ):
            with problems.shown():
                with st.spinner("Reading the trained network"):
                    open_plan(run.path)
                st.switch_page("pages/plan.py")
        if run.result and st.button(
            "Compare", key="sparse_compare", icon=":material/scatter_plot:"
        ):
            st.switch_page("pages/compare.py")
        if run.result and st.button("Export", key="sparse_export", icon=":material/download:"):
            st.session_state["export_source"] = run.id  # the choice on the page Export
            st.switch_page("pages/export.py")


def open_plan(run: Path) -> None:
    """Keep the trained weights of the run in the folder ``run`` as a network of the workspace, and
    open it with the run's plan, as one step of undo. Raises RunError where the folder lacks
    either, ModelError for bad weights."""
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.io.model_store import import_model

    plan, file = plan_of(run), run / SPARSE
    if plan is None or not file.is_file():
        raise RunError("This run has no plan any more: files are missing in its folder.")
    trained = load_saved(file)
    if trained.digest != plan.digest:
        raise RunError("The plan of this run is not of the weights beside it. Start it again.")
    method = METHODS[read_sparsify_request(run).settings.method]
    named = replace(trained, name=f"{trained.name}, after {method}")
    key = import_model(loaders.home(), named)
    training_reasons.save(plan)
    state.change(model=key, recipe=plan.recipe, edits=plan.edits)


def outcome(run: Run) -> None:
    """Costs before and after, computed; for stripes, beside them what was measured."""
    found = read_outcome(run.path)
    if found is None:
        return
    with st.container(horizontal=True):
        _cost("MACs", found.macs)
        _cost("Params", found.params)
        _cost("Feature maps", found.activation_bytes, bytes_=True)
    if found.timed:
        _times(found, found.timed)


def _cost(label: str, pair: tuple[int, int], *, bytes_: bool = False) -> None:
    before, after = pair
    say = size if bytes_ else count
    st.metric(
        label, say(after), f"{change(before, after)} from {say(before)}", delta_color="off",
        delta_arrow="off",
        help="The most memory that one layer's input and output take for one image, in 32-bit "
        "numbers: what a small device needs besides the weights." if bytes_ else None,
    )  # fmt: skip


def _times(found: Outcome, timed: StripeTimes) -> None:
    """Counted MACs on the left, measured times on the right, never in one column."""
    st.markdown("**Counted and measured are two things**")
    left, right = st.columns(2, gap="medium")
    with left:
        whole = found.macs[0]
        st.dataframe(
            pd.DataFrame({
                "MACs, counted (computed)": ["Unpruned", "Filters gone", "Stripes gone too"],
                "MACs": [whole, found.dense_macs, found.macs[1]],
                "Left": [100.0, 100 * found.dense_macs / whole, 100 * found.macs[1] / whole],
            }),
            hide_index=True, row_height=30, placeholder="", key="sparse_counted",
            column_config={
                "MACs": st.column_config.NumberColumn(format="compact"),
                "Left": st.column_config.NumberColumn(format="%.0f %%"),
            },
        )  # fmt: skip
    with right:
        st.dataframe(
            pd.DataFrame({
                "Time, measured here": [
                    "Dead stripes as zeros", "All dead stripes skipped",
                    "Each layer the fastest way (kept)",
                ],
                "One pass": [milliseconds(x) for x in (timed.dense, timed.skipping, timed.mixed)],
            }),
            hide_index=True, row_height=30, placeholder="", key="sparse_timed",
        )  # fmt: skip
    st.caption(verdict(found, timed))
    with st.expander("Layer by layer"):
        _layers(found)


def verdict(found: Outcome, timed: StripeTimes) -> str:
    """Whether skipping stripes paid off, in sentences with what was counted and measured."""
    stripes = change(found.dense_macs, found.macs[1])
    moved = 100 * (timed.skipping / timed.dense - 1) if timed.dense else 0.0
    if moved >= 100:
        times = timed.skipping / timed.dense
        text = f"takes {times:.1f} times as long as computing with their zeros"
    elif moved > 0:
        text = f"takes {moved:.0f} % longer than computing with their zeros"
    else:
        text = f"saves {-moved:.0f} % of the time against computing with their zeros"
    images = "image" if timed.batch == 1 else "images"
    return (
        f"The dead stripes change the counted MACs by {stripes}; skipping all of them {text}. "
        f"Medians of {timed.repeats} passes of {timed.batch} {images}, CPU of this machine, "
        f"{timed.threads} thread{'' if timed.threads == 1 else 's'}."
    )


def _layers(found: Outcome) -> None:
    time = st.column_config.NumberColumn(format="%.3f", help="Measured: median of one call")
    st.dataframe(
        pd.DataFrame(layer_rows(found.choices)),
        hide_index=True, row_height=30, placeholder="", key="sparse_layers",
        column_config={
            "As zeros, ms": time, "Skipped, ms": time, "Smaller, ms": time,
            "Smaller window": st.column_config.TextColumn(
                help="What is left of the window without the rows and columns at its border where "
                "the stripes of all filters are dead. Other dead stripes are zeros in it."
            ),
        },
    )  # fmt: skip


def layer_rows(choices: Sequence[StripeChoice]) -> list[dict[str, Any]]:
    """A row for each layer; what smaller windows take only where there are any."""
    smaller = any(one.window for one in choices)
    rows = []
    for one in choices:
        row = {
            "Layer": one.layer,
            "Runs": _RUNS[one.kind],
            "Stripes left": one.live,
            "Of": one.stripes,
            "As zeros, ms": one.dense_ms,
            "Skipped, ms": one.stripes_ms,
        }
        if smaller:
            row["Smaller window"] = "{} x {}".format(*one.window) if one.window else ""
            row["Smaller, ms"] = one.smaller_ms
        rows.append(row)
    return rows
