"""The cost of the plan as four numbers: three computed, the latency estimated or measured."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.network import Network
from sfp_viz.text.numbers import change, count, device_name, milliseconds, size
from sfp_viz.ui import problems
from sfp_viz.ui.cached import evidence, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.cached.planned import PlannedCost
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_start

_MEASURED = "plan_latency"  # session_state: (subject, before, after) as measured last


def costs(network: Network, planned_cost: PlannedCost) -> None:
    """Draw MACs, params, peak activation memory and latency of the plan, each with its change.

    Args:
        network: The network.
        planned_cost: The computed cost of the plan.
    """
    before, after = planned_cost.before, planned_cost.after
    if after is None:
        return
    peaks = before.peak_activation_bytes, after.peak_activation_bytes
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        _metric("MACs, computed", count(after.macs), change(before.macs, after.macs))
        _metric("Params, computed", count(after.params), change(before.params, after.params))
        _metric(
            "Peak memory, computed", size(peaks[1]), change(*peaks),
            help="The largest input plus output of any layer in float32, for one image.",
        )  # fmt: skip
        _latency(network, planned_cost)


def _metric(label: str, value: str, change: str, help: str | None = None) -> None:
    st.metric(
        label,
        value,
        change or None,
        delta_color="off",
        delta_arrow="off",
        help=help,
        width="content",
    )


def _latency(network: Network, planned_cost: PlannedCost) -> None:
    """The measured latency of exactly this plan, else the estimate, else a button to measure."""
    session = state.session()
    subject = Subject(session.model, session.request)
    measured = st.session_state.get(_MEASURED)
    if measured and measured[0] == subject:
        before, after = measured[1], measured[2]
        _metric(
            "Latency, measured",
            milliseconds(after.latency_ms or 0),
            change(before.latency_ms or 0, after.latency_ms or 0),
            help=how_measured(before, after),
        )
    elif (table := evidence.evidence(session.model).latency) is not None:
        from sfp_viz.core.cost.latency_table import estimate

        times = [estimate(network, table, kept) for kept in ({}, planned_cost.kept)]
        _metric(
            "Latency, estimated",
            milliseconds(times[1]),
            change(*times),
            help=f"From the layer times on {device_name(table.device)}, batch size {table.batch}, "
            f"{table.threads} thread{'s' if table.threads != 1 else ''}.",
        )
    with st.container(gap="xxsmall", width="content"):
        if evidence.evidence(session.model).latency is None:
            study_start.start_button(
                network, "latency", "Time the layers to estimate latency", quiet=True, place="cost"
            )
        pressed = st.button(
            "Measure the latency of this plan",
            key="plan_measure",
            type="tertiary",
            icon=":material/timer:",
            help="Prunes a copy and times both networks on this machine. Takes seconds.",
        )
    if pressed:
        with problems.catch(), st.spinner("Pruning a copy and measuring latency"):
            before = pruned.latency(subject.model)
            after = pruned.pruned_latency(subject.model, subject.request)
            st.session_state[_MEASURED] = (subject, before, after)
            st.rerun()


def how_measured(before: Measured, after: Measured) -> str:
    """How the latency was measured, with the interquartile range.

    Args:
        before: Latency of the unpruned network.
        after: Latency of the pruned network.
    """
    low, high = after.latency_iqr_ms or (0.0, 0.0)
    return (
        f"Measured on {device_name(after.device)}: median of {after.repeats} passes, "
        f"batch size {after.batch}, {after.threads} thread{'s' if after.threads != 1 else ''}; "
        "interquartile range "
        f"{milliseconds(low)} to {milliseconds(high)}. "
        f"Unpruned: {milliseconds(before.latency_ms or 0)}."
    )
