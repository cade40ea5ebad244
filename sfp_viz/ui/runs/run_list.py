"""The list of runs of a network: the rows that are chosen are drawn together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from sfp_viz.runs.records import Run
from sfp_viz.ui.runs import drawn, run_words, sweep_view


def table(runs: Sequence[Run]) -> None:
    """All runs, the newest first; a row that is chosen is watched, several are drawn together."""
    names = " ".join([str(runs[0].facts.get("digest")), *(run.id for run in runs)])
    key = f"runs_{hashlib.sha256(names.encode()).hexdigest()[:16]}"
    ids = [run.id for run, _ in drawn.together(runs)]
    rows = [at for at, run in enumerate(runs) if run.id in ids]  # also after a refresh

    def picked() -> None:
        wanted = [runs[at].id for at in st.session_state[key]["selection"]["rows"]]
        if set(wanted) != set(ids):
            drawn.choose(wanted, ids[0])

    number = st.column_config.NumberColumn
    text = st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame([_row(run, runs) for run in runs]), key=key, hide_index=True, on_select=picked,
        selection_mode="multi-row", selection_default={"selection": {"rows": rows}},
        row_height=30, height=min(38 + 30 * len(runs), 278), placeholder="",
        column_config={
            "Run": text(width=100),
            "Started": text(width=72),
            "State": text(width=88),
            "Test": number("Test, %", format="%.1f", width=58, help="Accuracy, measured"),
            "MACs": number(format="compact", help="Counted on the network"),
        },
    )  # fmt: skip


def _row(run: Run, runs: Sequence[Run]) -> dict:
    accuracy = run.epochs[-1].test_accuracy if run.epochs else None
    going = f"{run.done} of {run.total}" if run.state == "running" and run.total else ""
    return {
        "Run": run_words.title(run),
        "Started": run_words.begun(run),
        "State": going or sweep_view.state_words(run, runs),
        "Test": 100 * accuracy if accuracy is not None else None,
        "MACs": run.before.macs if run.before else run.facts.get("macs"),
        "Epochs": run.total or run.settings.epochs,
        "Images": run.data,
    }
