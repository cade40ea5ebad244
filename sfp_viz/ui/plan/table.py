"""The bars as a table: the same numbers; widths and their limits can be edited."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.request import Request
from sfp_viz.text.groups import cause_sentence
from sfp_viz.text.plan.allocations import ALLOCATIONS
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.plan.widths import Others, Widths
from sfp_viz.ui.recipe import actions, request_edits
from sfp_viz.ui.session import state

_TYPED = ("keeps", "least", "most", "whole")
_OTHER = "Filters kept by another allocation at the same target."


def table(network: Network, widths: Widths, others: Others) -> None:
    """Draw a row for each group that can be pruned, and a caption for each other group. An edited
    cell changes the edits of the session.

    Args:
        network: The network.
        widths: The widths that are drawn.
        others: Units kept by group under other allocations.
    """
    request = actions.current_request()
    spread = planned.dispersions_or_empty(state.session().model, request.recipe)
    free = [group for group in network.groups if not group.protected]
    rows = [row(group, request, widths, spread, others) for group in free]
    key = f"plan_table_{state.revision()}"
    columns = _columns(widths, others)
    st.data_editor(
        pd.DataFrame(rows, columns=list(columns)),
        key=key,
        hide_index=True,
        height="auto" if len(rows) < 18 else 640,
        placeholder="",
        num_rows="fixed",
        disabled=[name for name in columns if name not in _TYPED],
        column_config=columns,
        on_change=apply_typed,
        args=(network, free, rows, key),
    )
    for group in network.groups:
        if group.protected:
            text = f"{group.name}: {group.size:,} filters, not pruned. {cause_sentence(group)}"
            st.caption(problems.plain(text))


def _columns(widths: Widths, others: Others) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    columns: dict[str, Any] = {
        "group": st.column_config.TextColumn("Group", pinned=True),
        "keeps": number("Kept", min_value=1, step=1),
        "filters": number("Of"),
        "suggested": number("Suggested"),
        **{
            f"kept {strategy}": number(f"Kept {ALLOCATIONS[strategy]}", help=_OTHER)
            for strategy in others
        },
        "removed": number("Removed", format="%.0f %%"),
        "least": number("At least", min_value=1, step=1),
        "most": number("At most", min_value=1, step=1),
        "whole": st.column_config.CheckboxColumn("Do not prune"),
        "held": st.column_config.CheckboxColumn("Set manually"),
        "dispersion": number(
            "Dispersion",
            format="%.3f",
            help="Kernel Dispersion: 0 for copies, 1 for random filters",
        ),
        "layers": number("Layers"),
    }
    if widths.curves:
        columns["lost"] = number(f"Loss alone, {widths.unit}", format="%.1f")
    return columns


def row(
    group: FilterGroup, request: Request, widths: Widths, spread: dict[str, float], others: Others
) -> dict:
    """One group as numbers, by column.

    Args:
        group: The group.
        request: Recipe and edits.
        widths: The widths that are drawn.
        spread: Kernel Dispersion 0..1 by group; groups may be missing.
        others: Units kept by group under other allocations.
    """
    kept = widths.kept.get(group.name, group.size)
    curve = widths.curves.get(group.name, ())
    return {
        "group": group.name,
        "keeps": kept,
        "filters": group.size,
        "suggested": widths.suggested.get(group.name, group.size),
        **{f"kept {strategy}": kept_there[group.name] for strategy, kept_there in others.items()},
        "removed": 100 * (1 - kept / group.size),
        "least": request_edits.least_of(group.name, request.edits) or None,
        "most": request_edits.most_of(group.name, request.edits) or None,
        "whole": group.name in request.edits.protected,
        "held": request_edits.is_held(group.name, request.edits),
        "dispersion": spread.get(group.name),
        "layers": len(group.layers) + len(group.followers),
        "lost": lost_at(curve, kept) if curve else None,
    }


def lost_at(curve: tuple[tuple[int, float], ...], kept: int) -> float:
    """The loss at a width, interpolated.

    Args:
        curve: (kept, lost) by rising kept.
        kept: Units kept.
    """
    import numpy as np

    return float(np.interp(kept, [units for units, _ in curve], [lost for _, lost in curve]))


def apply_typed(network: Network, groups: list[FilterGroup], shown: list[dict], key: str) -> None:
    """Apply edited cells of the table; a cell that equals the row shown is no change.

    Streamlit reports the cells of an interrupted run again.

    Args:
        network: The network.
        groups: The group of each row.
        shown: The rows as they are drawn.
        key: Key of the table.
    """
    for index, cells in st.session_state[key]["edited_rows"].items():
        group, before = groups[int(index)], shown[int(index)]
        changed = {name: value for name, value in cells.items() if value != before.get(name)}
        if "whole" in changed:
            actions.set_protected(network, group.name, bool(changed["whole"]))
        elif "least" in changed:
            actions.set_minimum(network, group.name, changed["least"])
        elif "most" in changed:
            actions.set_maximum(network, group.name, changed["most"])
        elif changed.get("keeps"):
            actions.set_width(network, group.name, min(int(changed["keeps"]), group.size))
