"""The result of a sparse training, and the buttons that open, compare and export it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from sfp_viz.ui.runs.sparsify_view import ACTIVATION_HELP
from sfp_viz.ui.session import state

_FORMS: Mapping[StripeKind, str] = {
    "dense": "zeros",
    "stripes": "skipped",
    "smaller": "smaller kernel",
}


def buttons(run: Run) -> None:
    """Draw the buttons: open the plan, if there is one; compare and export, once it is finished."""
    if not (run.path / "plan.json").is_file() or not (run.path / SPARSE).is_file():
        return
    with st.container(horizontal=True):
        if st.button(
            "Open as plan",
            key="sparse_open",
            icon=":material/tune:",
            type="primary",
            help="Opens the trained network before pruning, with the filters that reached 0 as its "
            "plan. Undo reverts it. A plan contains whole filters only, no stripes.",
        ):
            with problems.catch():
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
    """Save the trained weights of a run as a network of the workspace and open it with the run's
    plan, as one step of undo.

    Args:
        run: The folder of the run.

    Raises:
        RunError: The folder has no weights or no plan, or the plan is of other weights.
        ModelError: The weights cannot be read.
    """
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.io.model_store import import_model

    plan, file = plan_of(run), run / SPARSE
    if plan is None or not file.is_file():
        raise RunError("This run no longer has a plan: files are missing in its folder.")
    trained = load_saved(file)
    if trained.digest != plan.digest:
        raise RunError("The plan of this run does not match its weights. Start the run again.")
    method = METHODS[read_sparsify_request(run).settings.method]
    network = replace(trained, name=f"{trained.name}, after {method}")
    key = import_model(loaders.home(), network)
    training_reasons.save(plan)
    state.change(model=key, recipe=plan.recipe, edits=plan.edits)


def outcome(run: Run) -> None:
    """Draw the costs before and after (computed) and, for stripes, the measured latency."""
    result = read_outcome(run.path)
    if result is None:
        return
    with st.container(horizontal=True):
        _cost("MACs", result.macs)
        _cost("Params", result.params)
        _cost("Activation memory", result.activation_bytes, memory=True)
    if result.timed:
        _times(result, result.timed)


def _cost(label: str, costs: tuple[int, int], *, memory: bool = False) -> None:
    before, after = costs
    text = size if memory else count
    st.metric(
        label, text(after), f"{change(before, after)} from {text(before)}", delta_color="off",
        delta_arrow="off",
        help=ACTIVATION_HELP if memory else None,
    )  # fmt: skip


def _times(result: Outcome, timed: StripeTimes) -> None:
    """Counted MACs on the left, measured latency on the right, never in one column."""
    st.markdown("**MACs and latency**")
    left, right = st.columns(2, gap="medium")
    with left:
        whole = result.macs[0]
        st.dataframe(
            pd.DataFrame({
                "MACs (computed)": ["Unpruned", "Filters pruned", "Filters and stripes pruned"],
                "MACs": [whole, result.dense_macs, result.macs[1]],
                "Kept": [100.0, 100 * result.dense_macs / whole, 100 * result.macs[1] / whole],
            }),
            hide_index=True, row_height=30, placeholder="", key="sparse_counted",
            column_config={
                "MACs": st.column_config.NumberColumn(format="compact"),
                "Kept": st.column_config.NumberColumn(format="%.0f %%"),
            },
        )  # fmt: skip
    with right:
        st.dataframe(
            pd.DataFrame({
                "Latency (measured on this machine)": [
                    "Pruned stripes as zeros", "Pruned stripes skipped",
                    "Fastest form of each layer (saved)",
                ],
                "Forward pass": [
                    milliseconds(ms) for ms in (timed.dense, timed.skipping, timed.mixed)
                ],
            }),
            hide_index=True, row_height=30, placeholder="", key="sparse_timed",
        )  # fmt: skip
    st.caption(verdict(result, timed))
    with st.expander("Layer by layer"):
        _layers(result)


def verdict(result: Outcome, timed: StripeTimes) -> str:
    """Whether skipping stripes is faster, in sentences with the counted and measured numbers.

    Args:
        result: The costs of the pruned network.
        timed: The measured latencies.
    """
    stripes = change(result.dense_macs, result.macs[1])
    slower = 100 * (timed.skipping / timed.dense - 1) if timed.dense else 0.0
    if slower >= 100:
        text = f"{timed.skipping / timed.dense:.1f} times as long as"
    elif slower > 0:
        text = f"{slower:.0f} % more time than"
    else:
        text = f"{-slower:.0f} % less time than"
    return (
        f"Pruning stripes changes the counted MACs by {stripes}. Skipping all of them takes {text} "
        f"computing them as zeros. Medians of {timed.repeats} passes, batch size {timed.batch}, on "
        "the CPU of this machine, "
        f"{timed.threads} thread{'' if timed.threads == 1 else 's'}."
    )


def _layers(result: Outcome) -> None:
    time = st.column_config.NumberColumn(format="%.3f", help="Measured: median of one forward pass")
    st.dataframe(
        pd.DataFrame(layer_rows(result.choices)),
        hide_index=True, row_height=30, placeholder="", key="sparse_layers",
        column_config={
            "As zeros, ms": time, "Skipped, ms": time, "Smaller, ms": time,
            "Smaller kernel": st.column_config.TextColumn(
                help="The kernel without the border rows and columns where the stripes of all "
                "filters are pruned. Other pruned stripes remain as zeros."
            ),
        },
    )  # fmt: skip


def layer_rows(choices: Sequence[StripeChoice]) -> list[dict[str, Any]]:
    """A row for each layer, with columns of smaller kernels if there are any."""
    smaller = any(choice.window for choice in choices)
    rows = []
    for choice in choices:
        row = {
            "Layer": choice.layer,
            "Saved form": _FORMS[choice.kind],
            "Stripes kept": choice.live,
            "Of": choice.stripes,
            "As zeros, ms": choice.dense_ms,
            "Skipped, ms": choice.stripes_ms,
        }
        if smaller:
            row["Smaller kernel"] = "{} × {}".format(*choice.window) if choice.window else ""
            row["Smaller, ms"] = choice.smaller_ms
        rows.append(row)
    return rows
