"""Sensitivity as figures, with what the number of images leaves open."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.evidence.sensitivity import Sensitivity
from sfp_viz.figures.numbers import span
from sfp_viz.ui import charts, problems
from sfp_viz.ui.cached import evidence, planned
from sfp_viz.ui.plan.bars import Widths
from sfp_viz.ui.session import state


def curve(widths: Widths) -> None:
    """The chosen group alone, where its sensitivity was measured."""
    from sfp_viz.core.evidence.sensitivity import loss, measured
    from sfp_viz.figures.sensitivity import sensitivity_curves

    now = state.session()
    group, found = planned.group_of(now), evidence.evidence(now.model).sensitivity
    if group is None or found is None or group.name not in found.right:
        return
    kept = widths.kept.get(group.name, group.size)
    lost = loss(found, group.name, kept)
    st.markdown("**What cutting it alone costs**")
    charts.draw(
        sensitivity_curves(
            replace(found, right={group.name: found.right[group.name]}),
            kept=widths.kept, chosen=group.name, columns=1,
        ),
        key="group_sensitivity",
        alt=f"One-shot accuracy by the share of filters removed: about {lost:.1f} points lost "
        f"where {kept:,} of {group.size:,} stay.",
    )  # fmt: skip
    near = min(measured(found, group.name), key=lambda point: abs(point.kept - kept))
    st.caption(
        f"About {lost:.1f} points lost here (estimated). Measured at {near.kept:,} filters: "
        f"{span(near.interval)} of {found.images:,} images right (95 %)."
    )


def curves(found: Sensitivity, widths: Widths) -> None:
    """All groups on one scale."""
    from sfp_viz.figures.sensitivity import sensitivity_curves

    group = planned.group_of(state.session())
    charts.draw(
        sensitivity_curves(found, kept=widths.kept, chosen=group.name if group else None),
        key="sensitivity_curves",
        alt="One-shot accuracy of each group by the share of its filters removed, with 95 % "
        f"intervals; {len(found.right)} groups.",
    )
    st.caption(
        problems.plain(
            f"One group cut at a time, measured on {found.images:,} images ({found.data}) with 95 "
            "% intervals; lines and the plan's marks are estimated."
        )
    )
