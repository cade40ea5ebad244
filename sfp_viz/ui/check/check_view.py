"""The check on the screen: five numbers, the widths, and every pruned filter."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.figures.architecture import kept_filters, layer_widths
from sfp_viz.text.numbers import change, count, device_name, milliseconds, percent, size, span
from sfp_viz.text.plan.reasons import reason_text
from sfp_viz.ui import charts, problems
from sfp_viz.ui.cached import loaders, measurements
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import checks
from sfp_viz.ui.check.checks import Check
from sfp_viz.ui.check.compensation_view import has_batch_norm
from sfp_viz.ui.recipe import training_reasons

_NORMS = "re-estimated"
_STAGES = {
    "unpruned": "Unpruned",
    "cut": "Pruned",
    "compensated": "Compensated",
    _NORMS: "BatchNorm re-estimated",
}
_STAGED = "stages"  # kind of the saved measurement


def numbers(check: Check, when: str) -> None:
    """MACs, params, file size, latency and accuracy, each beside its value before.

    Args:
        check: The measurements.
        when: When they were measured, in words.
    """
    before, after = check.before, check.after
    with st.container(horizontal=True):
        _metric("MACs", count(after.macs), change(before.macs, after.macs), count(before.macs))
        _metric(
            "Params", count(after.params), change(before.params, after.params), count(before.params)
        )
        _metric(
            "File size", size(after.file_bytes), change(before.file_bytes, after.file_bytes),
            size(before.file_bytes),
        )  # fmt: skip
        times = before.latency.latency_ms or 0, after.latency.latency_ms or 0
        _metric("Latency", milliseconds(times[1]), change(*times), milliseconds(times[0]))
        if before.accuracy and after.accuracy:
            accuracy_before, accuracy_after = (
                before.accuracy.accuracy or 0,
                after.accuracy.accuracy or 0,
            )
            sign = "−" if accuracy_after < accuracy_before else "+"
            points = f"{sign}{abs(100 * (accuracy_after - accuracy_before)):.1f} points"
            _metric("One-shot accuracy", percent(accuracy_after), points, percent(accuracy_before))
    st.caption(f"{how_measured(check)} {when}")
    _remarks(check)


def stages(subject: Subject) -> None:
    """Draw the accuracy after each stage of pruning, measured on a click."""
    if not subject.data:
        return
    with st.expander("Accuracy after each stage"), problems.catch():
        if st.button(
            "Measure each stage", help="Prunes the network again and measures it after each stage."
        ):
            stages, notes = checks.stages(subject)
            value = [[[name, asdict(accuracy)] for name, accuracy in stages], list(notes)]
            measurements.save(_STAGED, subject, value)
        saved = measurements.find(_STAGED, subject)
        if saved is None:
            st.caption("How much accuracy pruning loses, and how much compensation recovers.")
            return
        stages, notes = saved.value
        has_norms = has_batch_norm(loaders.network(subject.model))
        accuracies = [
            (name, measurements.measured_from_dict(m) or Measured())
            for name, m in stages if has_norms or name != _NORMS
        ]  # fmt: skip
        rows = [
            (_STAGES.get(name, name), percent(m.accuracy or 0), span(m.interval))
            for name, m in accuracies
        ]
        table = pd.DataFrame(rows, columns=["Stage", "Accuracy", "95 % interval"])
        st.dataframe(table, hide_index=True)
        final = accuracies[-1][1]
        conditions = f"On {final.images:,} images ({final.data}), before any fine-tuning."
        st.caption(f"{conditions} {measurements.when(saved)}")
        for note in notes:
            st.caption(problems.plain(note))


def how_measured(check: Check) -> str:
    """Which numbers were counted and which measured, and how."""
    latency = check.after.latency
    text = (
        "MACs and params: counted on the pruned network. File size: measured on its safetensors "
        "file. Latency: measured on this machine "
        f"({device_name(latency.device)}, batch size {latency.batch}, {latency.threads} thread"
        f"{'s' if latency.threads != 1 else ''}), median of {latency.repeats} passes, "
        f"interquartile range {_quartiles(latency)}."
    )
    accuracy = check.after.accuracy
    if accuracy is None:
        return text + " Accuracy was not measured because there are no images."
    return text + (
        f" Accuracy: measured on {accuracy.images:,} images ({accuracy.data}), before any "
        f"fine-tuning; 95 % interval {span(accuracy.interval)}."
    )


def widths(network: Network, plan: Plan) -> None:
    """Draw the filters of every layer before and after pruning, as a chart and as a table.

    Args:
        network: The network.
        plan: The plan.
    """
    kept = kept_units(network, plan)
    st.subheader("Width of each layer")
    pruned_count = sum(len(removal.filters) for removal in plan.removals)
    charts.draw(
        layer_widths(network, kept),
        key="check_widths",
        alt=f"Filters of each layer before and after: {pruned_count} filters or tied sets pruned.",
    )
    with st.expander("As a table"):
        rows = [
            (layer.name, layer.filters, kept_filters(network, layer.name, kept))
            for layer in network.layers
        ]
        st.dataframe(pd.DataFrame(rows, columns=["Layer", "Before", "After"]), hide_index=True)


def pruned_filters(plan: Plan) -> None:
    """Every pruned filter, with its reason."""
    rows = [
        (removal.group, unit, reason_text(why))
        for removal in (
            training_reasons.with_training_reasons(r, plan.digest) for r in plan.removals
        )
        for unit, why in zip(removal.filters, removal.reasons, strict=True)
    ]
    with st.expander(f"Pruned filters and why ({len(rows)})"):
        st.dataframe(pd.DataFrame(rows, columns=["Group", "Filter", "Reason"]), hide_index=True)


def _metric(label: str, after: str, change: str, before: str) -> None:
    st.metric(
        label, after, f"{change} from {before}", delta_color="off", delta_arrow="off", border=True
    )


def _quartiles(latency: Measured) -> str:
    low, high = latency.latency_iqr_ms or (0.0, 0.0)
    return f"{milliseconds(low)} to {milliseconds(high)}"


def _remarks(check: Check) -> None:
    before, after = check.before.latency, check.after.latency
    unpruned = before.latency_iqr_ms or (0.0, 0.0)
    pruned = after.latency_iqr_ms or (0.0, 0.0)
    if (after.latency_ms or 0) > 1.05 * (before.latency_ms or 0) and pruned[0] > unpruned[1]:
        st.warning(
            "The pruned network is slower on this machine. Fewer MACs do not always save time: in "
            "small networks other work dominates, and odd numbers of filters run slowly. Try "
            "multiples of 8 filters (Plan, Recipe)."
        )
    elif pruned[1] >= unpruned[0]:
        st.caption("The interquartile ranges overlap, so the difference in latency is not certain.")
    accuracies = check.before.accuracy, check.after.accuracy
    shares = [m.accuracy or 0 for m in accuracies if m]
    if len(shares) == 2 and shares[0] - shares[1] > 0.2:
        st.caption("Such a loss is usual before fine-tuning, which recovers most of it.")
