"""The list of runs of a network: the rows that are chosen are drawn together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from sfp_viz.runs.storage.records import Run
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import percent
from sfp_viz.ui.runs import run_names, selection, sweep_view

_WIDE, _TALL = 238, 66  # pixels: the column of names, and a row in which long ones wrap
_ONE_LINE = 33  # letters of a name that fit its column


def table(runs: Sequence[Run]) -> None:
    """All runs, the newest first; a row that is chosen is watched, several are drawn together."""
    names = " ".join([str(runs[0].facts.get("digest")), *(run.id for run in runs)])
    key = f"runs_{hashlib.sha256(names.encode()).hexdigest()[:16]}"
    ids = [run.id for run, _ in selection.together(runs)]
    rows = [at for at, run in enumerate(runs) if run.id in ids]  # also after a refresh

    def picked() -> None:
        wanted = [runs[at].id for at in st.session_state[key]["selection"]["rows"]]
        if set(wanted) != set(ids):
            selection.choose(wanted, ids[0])

    number = st.column_config.NumberColumn
    text = st.column_config.TextColumn
    called = run_names.in_list(runs)
    long = max(map(len, called)) > _ONE_LINE
    tall, most = (_TALL, 370) if long else (30, 278)
    cells = [_row(run, name, runs) for run, name in zip(runs, called, strict=True)]
    st.dataframe(
        pd.DataFrame(cells), key=key, hide_index=True, on_select=picked,
        selection_mode="multi-row", selection_default={"selection": {"rows": rows}},
        row_height=tall, height=min(38 + tall * len(runs), most), placeholder="",
        column_config={
            "Run": text(width=_WIDE, help="What was pruned how, and what tells it from the others"),
            "Stands at": text(
                width=84, help="Test accuracy after the last epoch, measured; its state until then"
            ),
            "Test": number("Test, %", format="%.1f", width=58, help="Accuracy, measured"),
            "MACs": number(format="compact", help="Counted on the network"),
        },
    )  # fmt: skip


def _row(run: Run, name: str, runs: Sequence[Run]) -> dict:
    accuracy = run.epochs[-1].test_accuracy if run.epochs else None
    state = sweep_view.state_words(run, runs)
    going = f"{run.done} of {run.total}" if run.state == "running" and run.total else ""
    return {
        "Run": name,
        "Stands at": percent(run.result.accuracy) if run.result else going or state,
        "Test": 100 * accuracy if accuracy is not None else None,
        "State": state,
        "Started": run_labels.start_time(run),
        "MACs": run.before.macs if run.before else run.facts.get("macs"),
        "Epochs": run.total or run.settings.epochs,
        "Images": run.data,
    }
