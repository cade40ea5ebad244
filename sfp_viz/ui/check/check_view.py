"""The check on the screen: five numbers, the widths, and every filter that went."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.figures.architecture import kept_filters, layer_widths
from sfp_viz.text.numbers import change, count, milliseconds, percent, size, span
from sfp_viz.text.reasons import reason_text
from sfp_viz.ui import charts, problems
from sfp_viz.ui.cached import measurements
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import checks
from sfp_viz.ui.check.checks import Check
from sfp_viz.ui.recipe import training_reasons

_STAGES = {
    "unpruned": "Unpruned",
    "cut": "Cut",
    "compensated": "Compensated",
    "re-estimated": "BatchNorm re-estimated",
}
_STAGED = "stages"  # what was measured stage by stage, as it is kept


def numbers(found: Check, when: str) -> None:
    """MACs, params, file size, latency and accuracy, each beside its value before; ``when`` says
    in words when they were measured."""
    before, after = found.before, found.after
    with st.container(horizontal=True):
        _one("MACs", count(after.macs), change(before.macs, after.macs), count(before.macs))
        _one(
            "Params", count(after.params), change(before.params, after.params), count(before.params)
        )
        _one(
            "File", size(after.file_bytes), change(before.file_bytes, after.file_bytes),
            size(before.file_bytes),
        )  # fmt: skip
        then, now = before.latency.latency_ms or 0, after.latency.latency_ms or 0
        _one("Latency", milliseconds(now), change(then, now), milliseconds(then))
        if before.accuracy and after.accuracy:
            was, is_now = before.accuracy.accuracy or 0, after.accuracy.accuracy or 0
            moved = f"{'−' if is_now < was else '+'}{abs(100 * (is_now - was)):.1f} points"
            _one("One-shot accuracy", percent(is_now), moved, percent(was))
    st.caption(f"{how_measured(found)} {when}")
    _remarks(found)


def stages(subject: Subject) -> None:
    """Accuracy after each stage, on a click: what the cut takes, and what is won back."""
    if not subject.data:
        return
    with st.expander("Accuracy after each stage"), problems.shown():
        if st.button("Measure each stage", help="The network is cut and measured once more."):
            stages, notes = checks.stages(subject)
            value = [[[name, asdict(one)] for name, one in stages], list(notes)]
            measurements.keep(_STAGED, subject, value)
        known = measurements.find(_STAGED, subject)
        if known is None:
            st.caption("What the cut takes, and what compensation and BatchNorm win back.")
            return
        stages, notes = known.value
        found = [(name, measurements.measured_of(one) or Measured()) for name, one in stages]
        rows = [
            (_STAGES.get(name, name), percent(one.accuracy or 0), span(one.interval))
            for name, one in found
        ]
        table = pd.DataFrame(rows, columns=["Stage", "Accuracy", "95 % interval"])
        st.dataframe(table, hide_index=True)
        last = found[-1][1]
        on = f"On {last.images:,} images ({last.data}), before any training."
        st.caption(f"{on} {measurements.when(known)}")
        for note in notes:
            st.caption(problems.plain(note))


def how_measured(found: Check) -> str:
    """Which number was counted and which was measured, on what."""
    latency = found.after.latency
    text = (
        "MACs and params: counted on the pruned network. Latency: measured here, "
        f"{latency.device}, batch {latency.batch}, {latency.threads} thread"
        f"{'s' if latency.threads != 1 else ''}, "
        f"median of {latency.repeats}; the middle half lay within {_quartiles(latency)}."
    )
    accuracy = found.after.accuracy
    if accuracy is None:
        return text + " Accuracy was not measured: there are no images."
    return text + (
        f" Accuracy: measured on {accuracy.images:,} images ({accuracy.data}), before any "
        f"training; 95 % interval {span(accuracy.interval)}."
    )


def widths(network: Network, plan: Plan) -> None:
    """Filters of every layer before and after, as a chart and as a table."""
    left = kept_units(network, plan)
    st.subheader("Width of each layer")
    gone = sum(len(removal.filters) for removal in plan.removals)
    charts.draw(
        layer_widths(network, left),
        key="check_widths",
        alt=f"Filters of each layer before and after; {gone} filters or groups of filters go.",
    )
    with st.expander("The same as a table"):
        rows = [
            (layer.name, layer.filters, kept_filters(network, layer.name, left))
            for layer in network.layers
        ]
        st.dataframe(pd.DataFrame(rows, columns=["Layer", "Before", "After"]), hide_index=True)


def removed(plan: Plan) -> None:
    """Every filter that went, with its reason."""
    rows = [
        (removal.group, unit, reason_text(why))
        for removal in (training_reasons.told(one, plan.digest) for one in plan.removals)
        for unit, why in zip(removal.filters, removal.reasons, strict=True)
    ]
    with st.expander(f"Which filters went, and why ({len(rows)})"):
        st.dataframe(pd.DataFrame(rows, columns=["Group", "Filter", "Reason"]), hide_index=True)


def _one(label: str, now: str, moved: str, before: str) -> None:
    st.metric(
        label, now, f"{moved} from {before}", delta_color="off", delta_arrow="off", border=True
    )


def _quartiles(latency: Measured) -> str:
    low, high = latency.latency_iqr_ms or (0.0, 0.0)
    return f"{milliseconds(low)} to {milliseconds(high)}"


def _remarks(found: Check) -> None:
    before, after = found.before.latency, found.after.latency
    then, now = before.latency_iqr_ms or (0.0, 0.0), after.latency_iqr_ms or (0.0, 0.0)
    if (after.latency_ms or 0) > 1.05 * (before.latency_ms or 0) and now[0] > then[1]:
        st.warning(
            "It got slower here. Fewer MACs are not always less time: small networks are held up "
            "by other work, and odd numbers of filters run slowly. Try filters in multiples of 8 "
            "(Plan, Recipe)."
        )
    elif now[1] >= then[0]:
        st.caption("The times before and after overlap, so the difference in latency is not sure.")
    was, is_now = found.before.accuracy, found.after.accuracy
    if was and is_now and (was.accuracy or 0) - (is_now.accuracy or 0) > 0.2:
        st.caption("Such a fall is usual before training. Fine-tuning brings most of it back.")
