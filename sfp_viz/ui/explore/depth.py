"""Kernel Dispersion over depth: a chart and its table, drawn when they are opened."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.plan.request import Request
from sfp_viz.text.names import join_names
from sfp_viz.ui.cached import planned
from sfp_viz.ui.charts import draw
from sfp_viz.ui.group.group_view import GroupView, usable
from sfp_viz.ui.session import state


def dispersion_over_depth(view: GroupView) -> None:
    """An expander; closed, it loads no chart library."""
    held = st.expander("Kernel Dispersion over depth", on_change="rerun", key="depth")
    if not held.open:
        return
    from sfp_viz.figures import dispersion_bars

    session = state.session()
    found = planned.dispersions(session.model, usable(session))
    kept = planned.kept_or_whole(session.model, session.request)
    with held:
        draw(
            dispersion_bars(view.network, found, kept, view.group.name),
            key="dispersion",
            alt=_finding(found),
        )
        st.caption(
            "0: every filter has a twin. 1: as spread as random filters. Computed from the "
            "weights. A chosen layer says above why so many of its filters stay."
        )
        number = st.column_config.NumberColumn(format="%.3f")
        st.dataframe(
            _rows(view, found, kept), hide_index=True, key="dispersion table",
            column_config={"dispersion": number},
        )  # fmt: skip


def _finding(found: dict[str, float]) -> str:
    """What the chart shows, in words."""
    if not found:
        return "No group of filters can be cut, so there is no dispersion to show."
    low, high = min(found, key=lambda n: found[n]), max(found, key=lambda n: found[n])
    return (
        f"Kernel Dispersion of {len(found)} groups by depth: lowest {found[low]:.2f} in {low}, "
        f"highest {found[high]:.2f} in {high}."
    )


def _rows(view: GroupView, found: dict[str, float], kept: dict[str, int]):
    import pandas as pd

    session = state.session()
    suggested = planned.kept_or_whole(session.model, Request(session.recipe))
    groups = [group for group in view.network.groups if group.name in found]
    return pd.DataFrame(
        {
            "group": [group.name for group in groups],
            "layers": [join_names(group.layers) for group in groups],
            "filters": [group.size for group in groups],
            "dispersion": [found[group.name] for group in groups],
            "suggested": [suggested[group.name] for group in groups],
            "stay": [kept[group.name] for group in groups],
        }
    )
