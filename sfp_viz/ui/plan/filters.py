"""Which filters of the chosen group go, and why, as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.ui.cached import planned
from sfp_viz.ui.group import group_view
from sfp_viz.ui.recipe import training_reasons
from sfp_viz.ui.session import state


def filters(network: Network) -> None:
    """The filters of the group on the screen that go, each with its reason; the table is made
    when it is opened, since choosing filters takes a moment in large networks."""
    session = state.session()
    group = planned.group_of(session)
    if group is None or group.protected:
        return
    known = bool(training_reasons.known(network.digest))
    held = st.expander(
        "Which filters go, and why", expanded=known, on_change="rerun", key="plan_filters"
    )
    if not held.open:
        return
    with held:
        removal = group_view.group_view(session, group, group.layers[0]).removal
        if not removal.filters:
            st.caption("None: all filters of this group stay.")
            return
        rows = {"filter": removal.filters, "why": removal.reasons}
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, row_height=28,
            height=min(38 + 28 * len(removal.filters), 320), placeholder="",
            column_config={"filter": st.column_config.NumberColumn("Filter", width=60),
                           "why": st.column_config.TextColumn("Why it goes", width="large")},
        )  # fmt: skip
