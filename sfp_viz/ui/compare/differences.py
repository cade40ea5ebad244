"""What differs between chosen runs, as a table: only the rows that are not all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sfp_viz.errors import RunError
from sfp_viz.figures.tradeoff.run_report import shown
from sfp_viz.runs.results.differences import Difference, differing_rows
from sfp_viz.runs.results.summary import Summary
from sfp_viz.text.recipe import CHOICE_NAMES, FIELD_LABELS
from sfp_viz.ui.compare.chart import choose

MOST = 6  # runs side by side


def table(runs: Sequence[Summary], labels: Sequence[str]) -> None:
    """The table of at most ``MOST`` runs; ``labels`` head their columns."""
    import pandas as pd

    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.subheader(f"What differs between these {min(len(runs), MOST)}")
        st.button(
            "Close", key="differences_close", on_click=choose, type="tertiary",
            icon=":material/close:",
        )  # fmt: skip
    if len(runs) > MOST:
        st.caption(f"The first {MOST} of {len(runs)} chosen runs.")
    shown = runs[:MOST]
    gone = [run.id for run in shown if not run.path.is_dir()]
    if gone:
        raise RunError(f"The run {gone[0]} was deleted meanwhile. Choose others.")
    rows = differing_rows(shown)
    if not rows:
        st.info("Nothing differs: the same wishes, settings, images, machine and outcome.")
        return
    heads = columns(labels[:MOST])
    st.dataframe(
        pd.DataFrame([_row(row, heads) for row in rows]), hide_index=True,
        height="content" if len(rows) < 16 else 560,
        column_config={"What": st.column_config.TextColumn(pinned=True)},
    )  # fmt: skip
    st.caption(
        "Only what is not the same. The best epoch was chosen on the test images, so its accuracy "
        "reads a little high; the last epoch's does not."
    )


def columns(labels: Sequence[str]) -> list[str]:
    """The labels, told apart by a letter where two are the same."""
    return [f"{chr(65 + at)}: {label}" for at, label in enumerate(labels)]


def _row(row: Difference, heads: Sequence[str]) -> dict[str, str]:
    name = row.name
    if row.section in ("Recipe", "While training", "Fine-tuning", "Machine"):
        name = FIELD_LABELS.get(name, name.replace("_", " ")) if row.section == "Recipe" else name
        name = name.replace("_", " ")
    found = {"": row.section, "What": name}
    return found | {head: _words(row, value) for head, value in zip(heads, row.values, strict=True)}


def _words(row: Difference, value: Any) -> str:
    if row.section == "Recipe":
        known = CHOICE_NAMES.get(row.name, {}).get(str(value))
        if known:
            return known
    value = shown(row.name, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
