"""The list of runs of a network; the selected rows are drawn together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from sfp_viz.runs.storage.records import Run
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import percent
from sfp_viz.ui.runs import run_names, selection, sweep_view

_NAME_WIDTH, _WRAPPED_HEIGHT = 238, 66  # pixels: the column of names, a row whose name wraps
_ONE_LINE = 33  # characters of a name that fit its column


def table(runs: Sequence[Run]) -> None:
    """Draw all runs, the newest first. A selected row is watched, several are drawn together."""
    text = " ".join([str(runs[0].facts.get("digest")), *(run.id for run in runs)])
    key = f"runs_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    ids = [run.id for run, _ in selection.selected_runs(runs)]
    rows = [at for at, run in enumerate(runs) if run.id in ids]  # selected, also after a reload

    def select() -> None:
        selected = [runs[at].id for at in st.session_state[key]["selection"]["rows"]]
        if set(selected) != set(ids):
            selection.choose(selected, ids[0])

    number_column, text_column = st.column_config.NumberColumn, st.column_config.TextColumn
    names = run_names.list_names(runs)
    wraps = max(map(len, names)) > _ONE_LINE
    row_height, most = (_WRAPPED_HEIGHT, 370) if wraps else (30, 278)
    cells = [_row(run, name, runs) for run, name in zip(runs, names, strict=True)]
    st.dataframe(
        pd.DataFrame(cells), key=key, hide_index=True, on_select=select,
        selection_mode="multi-row", selection_default={"selection": {"rows": rows}},
        row_height=row_height, height=min(38 + row_height * len(runs), most), placeholder="",
        column_config={
            "Run": text_column(width=_NAME_WIDTH, help="What was pruned and how"),
            "Progress": text_column(
                width=84, help="The state; for a finished run the test accuracy after the last "
                "epoch (measured)"
            ),
            "Test": number_column("Test, %", format="%.1f", width=58, help="Measured accuracy"),
            "MACs": number_column(format="compact", help="Counted on the pruned network"),
        },
    )  # fmt: skip


def _row(run: Run, name: str, runs: Sequence[Run]) -> dict:
    accuracy = run.epochs[-1].test_accuracy if run.epochs else None
    state = sweep_view.state_label(run, runs)
    epochs = f"{run.done} of {run.total}" if run.state == "running" and run.total else ""
    return {
        "Run": name,
        "Progress": percent(run.result.accuracy) if run.result else epochs or state,
        "Test": 100 * accuracy if accuracy is not None else None,
        "State": state,
        "Started": run_labels.start_time(run),
        "MACs": run.before.macs if run.before else run.facts.get("macs"),
        "Epochs": run.total or run.settings.epochs,
        "Images": run.data,
    }
