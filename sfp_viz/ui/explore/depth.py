"""Kernel Dispersion over depth: a chart and its table, drawn when they are opened."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.plan.request import Request
from sfp_viz.text.names import join_names
from sfp_viz.ui.cached import planned
from sfp_viz.ui.charts import draw
from sfp_viz.ui.group.group_view import GroupView, usable_recipe
from sfp_viz.ui.session import state


def dispersion_over_depth(view: GroupView) -> None:
    """An expander; closed, it loads no chart library."""
    panel = st.expander("Kernel Dispersion over depth", on_change="rerun", key="depth")
    if not panel.open:
        return
    from sfp_viz.figures import dispersion_bars

    session = state.session()
    spread = planned.dispersions(session.model, usable_recipe(session))
    kept = planned.widths_or_unpruned(session.model, session.request)
    with panel:
        draw(
            dispersion_bars(view.network, spread, kept, view.group.name),
            key="dispersion",
            alt=_alt(spread),
        )
        st.caption(
            "0: every filter has a duplicate. 1: as diverse as random filters. Computed from the "
            "weights."
        )
        number = st.column_config.NumberColumn(format="%.3f")
        st.dataframe(
            _rows(view, spread, kept), hide_index=True, key="dispersion table",
            column_config={"dispersion": number},
        )  # fmt: skip


def _alt(spread: dict[str, float]) -> str:
    """What the chart shows, in words."""
    if not spread:
        return "No group can be pruned, so there is no dispersion to show."
    low, high = min(spread, key=lambda n: spread[n]), max(spread, key=lambda n: spread[n])
    return (
        f"Kernel Dispersion of {len(spread)} groups by depth: lowest {spread[low]:.2f} in {low}, "
        f"highest {spread[high]:.2f} in {high}."
    )


def _rows(view: GroupView, spread: dict[str, float], kept: dict[str, int]):
    import pandas as pd

    session = state.session()
    suggested = planned.widths_or_unpruned(session.model, Request(session.recipe))
    groups = [group for group in view.network.groups if group.name in spread]
    return pd.DataFrame(
        {
            "group": [group.name for group in groups],
            "layers": [join_names(group.layers) for group in groups],
            "filters": [group.size for group in groups],
            "dispersion": [spread[group.name] for group in groups],
            "suggested": [suggested[group.name] for group in groups],
            "kept": [kept[group.name] for group in groups],
        }
    )
