"""The layer report: whether each layer can be pruned and why, its cost and its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.figures.filters.windows import size_words
from sfp_viz.text.groups import cause_sentence
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import milliseconds
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.session import state

YES, FOLLOWS, NO = "yes", "with its group", "no"
LARGE = 4_000_000  # weights of a linear layer; nets.tracing compares no units of larger ones


@dataclass(frozen=True)
class LayerRow:
    """One layer of the report.

    Attributes:
        layer: Name of the layer.
        group: Name of its group, '' for none.
        filters: Its filters, or the outputs of a layer without filters.
        size: Size of one filter in words, '' for a layer without filters.
        freedom: YES, FOLLOWS (its channels follow those of its group) or NO.
        why: What ties it, or why it cannot be pruned.
        macs: MACs of this layer, computed.
        params: Parameters of this layer, computed.
    """

    layer: str
    group: str
    filters: int
    size: str
    freedom: str
    why: str
    macs: int
    params: int


@dataclass(frozen=True)
class Times:
    """Times measured on this machine's CPU.

    Attributes:
        layers: Milliseconds of each layer, the minimum of all passes.
        whole: Milliseconds of a whole pass (median).
        threads: Number of threads.
        batch: Images per pass.
        repeats: Number of passes.
    """

    layers: Mapping[str, float]
    whole: float
    threads: int
    batch: int
    repeats: int


def layer_rows(network: Network) -> tuple[LayerRow, ...]:
    """Every layer that multiplies, in order of execution."""
    terms: dict[str, list] = {}
    for term in network.terms:
        terms.setdefault(term.owner, []).append(term)
    filtered = {layer.name for layer in network.layers}
    working = [
        name
        for name, terms_of_layer in terms.items()
        if network.is_bare or any(term.macs for term in terms_of_layer)
    ]
    working += [layer.name for layer in network.layers if layer.name not in terms]
    rows = []
    for name in working:
        cost = cost_of_widths(replace(network, terms=tuple(terms.get(name, ()))), {})
        if name in filtered:
            rows.append(_filtered_row(network, name, cost.macs, cost.params))
        else:
            width = terms[name][0].outs.at(network.channels({}))
            why = _why_not(cost.params, last=name == working[-1])
            rows.append(LayerRow(name, "", width, "", NO, why, cost.macs, cost.params))
    return tuple(rows)


def _why_not(params: int, *, last: bool) -> str:
    """Why a layer that multiplies has no filters here."""
    if last:
        return "Output layer: one output per class."
    kept = "only its inputs can be pruned, not its outputs."
    if params > LARGE:
        return f"More than {LARGE // 10**6} million weights, too many to compare its units: {kept}"
    return f"Its outputs cannot be told apart: {kept}"


def _filtered_row(network: Network, name: str, macs: int, params: int) -> LayerRow:
    layer, group = network.layer(name), network.group_of(name)
    freedom, why = _freedom(network, group, name)
    if freedom == YES and not why and layer.neurons:
        why = "Its units count as filters."
    group_name, size = group.name if group else "", size_words(network, layer)
    return LayerRow(name, group_name, layer.filters, size, freedom, why, macs, params)


def _freedom(network: Network, group: FilterGroup | None, layer: str) -> tuple[str, str]:
    if group is None:
        return NO, "It belongs to no group."
    if group.protected:
        return NO, cause_sentence(group)
    if layer in group.followers:
        kind = "Depthwise" if network.layer(layer).conv_groups > 1 else "A gate"
        layers = join_names(group.layers)
        return FOLLOWS, f"{kind}: its channels are pruned with the filters of {layers}."
    if group.followers and len(group.layers) == 1:
        verb = "is" if len(group.followers) == 1 else "are"
        followers = join_names(group.followers)
        return YES, cause_sentence(group, layer) or f"{followers} {verb} pruned with it."
    return YES, cause_sentence(group, layer)


def layer_table(network: Network) -> None:
    """All layers, sortable; a selected row can be opened in Explore."""
    import pandas as pd

    layers = layer_rows(network)
    times = st.session_state.get(_key(network))
    head, button = st.columns([5, 2], vertical_alignment="bottom")
    head.subheader("Layers")
    with button.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Measure layer times", key="measure_layers", icon=":material/timer:"):
            with problems.catch(), st.spinner("Measuring each layer on this machine"):
                times = st.session_state[_key(network)] = _times(state.session().model)
    rows = [_row(layer, _whole(network), times, layers) for layer in layers]
    frame = pd.DataFrame(rows).astype(
        {"filters": "Int64"}
    )  # with gaps: not every layer has filters
    selected = st.dataframe(
        frame, placeholder="", hide_index=True, key=f"layers {network.digest}", row_height=30,
        on_select="rerun", selection_mode="single-row", column_config=_columns(rows),
        height="content" if len(rows) < 17 else 540,
    )["selection"]["rows"]  # fmt: skip
    row = layers[selected[0]] if selected else None
    layer = row.layer if row else ""
    group = network.group_of(layer) if layer else None
    if group and st.button(f"Explore {problems.plain(layer)}", type="primary", key="to map"):
        state.change(group=group.name, layer=layer if layer in group.layers[1:] else "")
        st.switch_page("pages/explore.py")
    if row:
        text = row.why if group else f"No filters to show. {row.why}"
        st.caption(problems.plain(f"{layer}: {text}" if text else ""))
    st.caption(_words(times))


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn

    def bar(name: str, words: str) -> Any:
        """A share in per cent; a full bar is all of the network."""
        return st.column_config.ProgressColumn(
            name.replace("of ", "share of "), format="%.1f %%", width=106, help=words,
            min_value=0.0, max_value=100.0,
        )  # fmt: skip

    def wide(name: str, least: int, most: int) -> int:
        """Pixels that hold the longest text of a column, within limits."""
        return min(max([least, *(7 * len(row[name]) + 20 for row in rows)]), most)

    return {
        "layer": text(pinned=True, width=wide("layer", 128, 260)),
        "filters": number(format="localized"),
        "one filter": text(alignment="right", help="Channels × height × width"),
        "why": text(
            width=wide("why", 160, 460), help="Select a row to read its full text below the table"
        ),
        "MACs": number(format="localized", help="Computed, for one image"),
        "of MACs": bar("of MACs", "Computed"),
        "params": number(format="localized", help="Computed"),
        "of params": bar("of params", "Computed; the rest is in normalization layers"),
        "ms": number(format="%.3f", help="Measured on this machine"),
        "of time": bar("of time", "Measured; share of the layers listed"),
    }


def _row(
    layer: LayerRow, totals: tuple[int, int], times: Times | None, layers: Sequence[LayerRow]
) -> dict:
    row: dict[str, Any] = {
        "layer": layer.layer,
        "filters": layer.filters if layer.size else None,
        "one filter": layer.size,
        "can be pruned": layer.freedom,
        "why": layer.why,
        "group": layer.group,
        "MACs": layer.macs,
        "of MACs": 100 * layer.macs / max(1, totals[0]),
        "params": layer.params,
        "of params": 100 * layer.params / max(1, totals[1]),
    }
    if times:
        total = sum(times.layers.get(other_layer.layer, 0.0) for other_layer in layers)
        time = times.layers.get(layer.layer)
        row["ms"] = time
        row["of time"] = 100 * time / total if time is not None and total else None
    return row


def _whole(network: Network) -> tuple[int, int]:
    cost = cost_of_widths(network, {})
    return cost.macs, cost.params


def _words(times: Times | None) -> str:
    text = (
        "Select a row to explore that layer. Click a heading to sort. MACs and params are computed."
    )
    if times is None:
        return text
    threads = f"{times.threads} thread{'s' if times.threads != 1 else ''}"
    return (
        f"{text} Times are measured on this machine's CPU ({threads}, batch size {times.batch}): "
        f"the minimum of {times.repeats} forward passes for each layer. A whole pass takes "
        f"{milliseconds(times.whole)} (median)."
    )


def _key(network: Network) -> str:
    return f"layer times {network.digest}"


def _times(key: str) -> Times:
    """Measure; takes about a second for a small network. Loads torch: on a click."""
    from sfp_viz.nets.evaluation.layer_latency import layer_times
    from sfp_viz.nets.evaluation.measure import measure_latency

    model, repeats = loaders.model(key), 20
    layers = layer_times(model, repeats=repeats)
    whole = measure_latency(model, repeats=repeats)
    return Times(layers, whole.latency_ms or 0.0, whole.threads or 1, whole.batch or 1, repeats)
