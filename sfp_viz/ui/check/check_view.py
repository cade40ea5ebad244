"""The check on the screen: five numbers, the widths, and every filter that went."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from sfp_viz.core.cost import kept_units
from sfp_viz.core.edits import Edits
from sfp_viz.core.network import Network
from sfp_viz.core.plan import Plan
from sfp_viz.core.recipe import Recipe
from sfp_viz.core.training import Measured
from sfp_viz.figures.architecture import kept_filters, layer_widths
from sfp_viz.figures.numbers import change, count, milliseconds, percent, size, span
from sfp_viz.ui import charts, problems
from sfp_viz.ui.check import checking
from sfp_viz.ui.check.checking import Check
from sfp_viz.ui.plan import trained_reasons

_STAGES = {
    "unpruned": "Unpruned",
    "cut": "Cut",
    "compensated": "Compensated",
    "re-estimated": "BatchNorm re-estimated",
}
_STAGED = "checked_stages"  # session_state: what was measured stage by stage last
_DONE = "checked"  # session_state: what was pruned and measured last in this browser session


def is_checked(subject: tuple) -> bool:
    """Whether exactly this was pruned and measured in this browser session."""
    return st.session_state.get(_DONE) == subject


def mark_checked(subject: tuple) -> None:
    """Remember that this was pruned and measured."""
    st.session_state[_DONE] = subject


def was_checked() -> bool:
    """Whether anything was checked before."""
    return _DONE in st.session_state


def numbers(found: Check) -> None:
    """MACs, params, file size, latency and accuracy, each beside its value before."""
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
    st.caption(how_measured(found))
    _remarks(found)


def stages(key: str, recipe: Recipe, edits: Edits | None, data: str) -> None:
    """Accuracy after each stage, on a click: what the cut takes, and what is won back."""
    if not data:
        return
    subject = (key, recipe, edits, data)
    with st.expander("Accuracy after each stage"):
        if st.button("Measure each stage", help="The network is cut and measured once more."):
            st.session_state[_STAGED] = subject
        if st.session_state.get(_STAGED) != subject:
            st.caption("What the cut takes, and what compensation and BatchNorm win back.")
            return
        with problems.shown():
            found, notes = checking.stages(*subject)
            rows = [
                (_STAGES[name], percent(one.accuracy or 0), span(one.interval))
                for name, one in found
            ]
            table = pd.DataFrame(rows, columns=["Stage", "Accuracy", "95 % interval"])
            st.dataframe(table, hide_index=True)
            last = found[-1][1]
            st.caption(f"Measured on {last.images:,} images ({last.data}), before any training.")
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
    kept = kept_units(network, plan)
    st.subheader("Width of each layer")
    gone = sum(len(removal.filters) for removal in plan.removals)
    charts.draw(
        layer_widths(network, kept),
        key="check_widths",
        alt=f"Filters of each layer before and after; {gone} filters or groups of filters go.",
    )
    with st.expander("The same as a table"):
        rows = [
            (layer.name, layer.filters, kept_filters(network, layer.name, kept))
            for layer in network.layers
        ]
        st.dataframe(pd.DataFrame(rows, columns=["Layer", "Before", "After"]), hide_index=True)


def removed(plan: Plan) -> None:
    """Every filter that went, with its reason."""
    rows = [
        (removal.group, unit, why)
        for removal in (trained_reasons.told(one, plan.digest) for one in plan.removals)
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
