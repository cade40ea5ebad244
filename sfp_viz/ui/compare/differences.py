"""The differences between selected runs as a table: only the rows that are not all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sfp_viz.errors import RunError
from sfp_viz.figures.tradeoff.run_report import report_value
from sfp_viz.runs.results.differences import Difference, differing_rows
from sfp_viz.runs.results.summary import Summary
from sfp_viz.text.recipe import CHOICE_NAMES, FIELD_LABELS
from sfp_viz.ui.compare.chart import choose

MOST = 6  # runs side by side


def table(runs: Sequence[Summary], labels: Sequence[str]) -> None:
    """Draw the settings and results in which the runs differ, one column per run.

    Args:
        runs: The runs; only the first ``MOST`` are shown.
        labels: Their names, for the heads of the columns.

    Raises:
        RunError: One of the runs was deleted.
    """
    import pandas as pd

    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.subheader(f"Differences between {min(len(runs), MOST)} runs")
        st.button(
            "Close", key="differences_close", on_click=choose, type="tertiary",
            icon=":material/close:",
        )  # fmt: skip
    if len(runs) > MOST:
        st.caption(f"The first {MOST} of {len(runs)} selected runs.")
    compared = runs[:MOST]
    deleted = [run.id for run in compared if not run.path.is_dir()]
    if deleted:
        raise RunError(f"The run {deleted[0]} was deleted. Select other runs.")
    rows = differing_rows(compared)
    if not rows:
        st.info("No differences: recipe, settings, images, machine and result are the same.")
        return
    heads = columns(labels[:MOST])
    st.dataframe(
        pd.DataFrame([_row(row, heads) for row in rows]), hide_index=True,
        height="content" if len(rows) < 16 else 560,
        column_config={"Setting": st.column_config.TextColumn(pinned=True)},
    )  # fmt: skip
    st.caption(
        "Only rows that differ. The best epoch was chosen on the test images, so its accuracy is "
        "slightly optimistic; that of the last epoch is not."
    )


def columns(labels: Sequence[str]) -> list[str]:
    """The labels with a letter before each, so that no two are the same."""
    return [f"{chr(65 + index)}: {label}" for index, label in enumerate(labels)]


def _row(row: Difference, heads: Sequence[str]) -> dict[str, str]:
    name = row.name
    if row.section in ("Recipe", "Sparse training", "Fine-tuning", "Machine"):
        name = FIELD_LABELS.get(name, name.replace("_", " ")) if row.section == "Recipe" else name
        name = name.replace("_", " ")
    cells = {"": row.section, "Setting": name}
    return cells | {head: _words(row, value) for head, value in zip(heads, row.values, strict=True)}


def _words(row: Difference, value: Any) -> str:
    if row.section == "Recipe":
        choice = CHOICE_NAMES.get(row.name, {}).get(str(value))
        if choice:
            return choice
    value = report_value(row.name, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
