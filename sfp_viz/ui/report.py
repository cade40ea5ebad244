"""The Model page's report: facts, the table of layers, the measured baseline."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.core.cost import cost_of_widths
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.errors import SfpError
from sfp_viz.figures.numbers import count, percent, size, span
from sfp_viz.nets import samples, store
from sfp_viz.nets.saved import read_header
from sfp_viz.ui import loaders, problems, state
from sfp_viz.ui.names import listed


def facts() -> None:
    """Size, input, preprocessing and origin of the network on the screen."""
    session = state.session()
    network = loaders.network(session.model)
    header, path = header_of(session.model), path_of(session.model)
    whole = cost_of_widths(network, {})
    shape = " × ".join(str(n) for n in network.input_shape)
    st.markdown(
        f"{count(whole.macs)} MACs for one image, {count(whole.params)} params (computed). "
        f"File: {size(path.stat().st_size)}."
    )
    st.markdown(f"Input: {shape} (channels, height, width). {_normalization(header)}")
    classes = f"{network.classes} classes" if network.classes else "An unknown number of classes"
    data = f", trained for {problems.plain(network.data)}" if network.data else ""
    st.markdown(f"{classes}{data}.")
    if header.get("plans"):
        st.markdown(f"Already pruned {len(header['plans'])} times.")
    for note in network.notes:
        st.caption(problems.plain(note))


def path_of(key: str):
    """The network's safetensors file."""
    if key in samples.sample_names():
        return samples.sample_path(key)
    return store.stored_path(loaders.home(), key)


def header_of(key: str) -> dict[str, Any]:
    """The header of the network's file; loads no torch."""
    return read_header(path_of(key))


def _normalization(header: dict[str, Any]) -> str:
    mean, std = header.get("mean") or (), header.get("std") or ()
    if not mean:
        return ""
    return (
        "Pixels 0 to 1, minus " + ", ".join(f"{x:.3f}" for x in mean) + ", divided by "
        + ", ".join(f"{x:.3f}" for x in std) + "."
    )  # fmt: skip


def prunability(network: Network) -> None:
    """How much of the network can be cut, in a sentence, and why not the rest."""
    free = network.free
    locked = [group for group in network.groups if group.protected]
    filters = sum(group.width for group in network.groups)
    loose = sum(group.width for group in free)
    if not free:
        st.warning("No group of this network can be cut. The table names the reason of each.")
    else:
        st.markdown(
            f"**{len(free)} of {len(network.groups)} groups can be cut**: {loose:,} of "
            f"{filters:,} filters."
        )
    reasons: dict[str, list[str]] = {}
    for group in locked:
        reasons.setdefault(group.why or "no reason is known", []).append(group.name)
    for why, names in list(reasons.items())[:4]:
        st.caption(f"Left whole: {problems.plain(listed(names))}. {problems.plain(why)}")


def layer_table(network: Network) -> None:
    """The convolutions in order of execution; a chosen row leads to its map."""
    import pandas as pd

    costs: dict[str, list[int]] = {}
    for term in network.terms:
        held = costs.setdefault(term.owner, [0, 0])
        for at, value in enumerate(_term(network, term)):
            held[at] += value
    rows = [_row(network, layer.name, costs.get(layer.name, [0, 0])) for layer in network.layers]
    chosen = st.dataframe(
        pd.DataFrame(rows), hide_index=True, key=f"layers {network.digest}", row_height=30,
        on_select="rerun", selection_mode="single-row",
        height="content" if len(rows) < 14 else 460,
        column_config={
            "MACs": st.column_config.NumberColumn(format="localized", help="computed"),
            "params": st.column_config.NumberColumn(format="localized", help="computed"),
        },
    )["selection"]["rows"]  # fmt: skip
    if chosen:
        layer = network.layers[chosen[0]].name
        group = network.group_of(layer)
        if group and st.button(f"Explore {problems.plain(layer)}", type="primary", key="to map"):
            state.change(group=group.name)
            st.session_state["layer in view"] = layer
            st.switch_page("pages/explore.py")
    else:
        st.caption("Tick a row to explore that layer. MACs and params are computed.")


def _term(network: Network, term) -> tuple[int, int]:
    from dataclasses import replace

    alone = cost_of_widths(replace(network, terms=(term,)), {})
    return alone.macs, alone.params


def _row(network: Network, layer: str, cost: list[int]) -> dict[str, Any]:
    group = network.group_of(layer)
    weight = network.layer(layer).weight
    return {
        "layer": layer,
        "filters": weight.shape[0],
        "kernel": f"{weight.shape[1]} × {weight.shape[2]} × {weight.shape[3]}",
        "MACs": cost[0],
        "params": cost[1],
        "can be cut": "yes" if group and not group.protected else "no",
        "cut together with": _mates(group, layer),
        "why not": _why_not(group),
    }


def _why_not(group: FilterGroup | None) -> str:
    if group is None:
        return "It belongs to no group."
    return group.why if group.protected else ""


def _mates(group: FilterGroup | None, layer: str) -> str:
    if group is None:
        return ""
    return listed([name for name in (*group.layers, *group.followers) if name != layer])


def baseline(network: Network) -> None:
    """Accuracy of the uncut network, measured on a click."""
    from sfp_viz.nets.data import available

    st.markdown("**Accuracy before anything is cut**")
    names = ("digits", "fashion_mnist", "cifar10", "cifar100")
    known = [name for name in names if available(name, "test")]
    options = sorted({*known, *([network.data] if network.data else [])})
    default = options.index(network.data) if network.data in options else None
    data = st.selectbox("Test images", options, default, key=f"data {network.digest}")
    if data is None:
        st.caption("Choose the images that the network was trained for.")
        return
    if data not in known:
        st.info(
            f"{data} is not on this machine, so its accuracy cannot be measured; everything else "
            "works. The README says where images are looked for."
        )
        return
    if st.button("Measure it", key="measure"):
        with problems.shown(), st.spinner("Measuring: the network names every test image"):
            st.session_state[f"measured {network.digest} {data}"] = loaders.accuracy(
                state.session().model, str(data)
            )
    found = st.session_state.get(f"measured {network.digest} {data}")
    if found:
        st.markdown(
            f"**{percent(found.accuracy)}** of {found.images:,} test images right "
            f"(measured here; 95 % interval {span(found.interval)})"
        )


def damaged(problem: SfpError) -> None:
    """The network on the screen cannot be read: say so, and offer the first sample."""
    problems.say(problem)
    st.button(
        "Go on with the sample network", on_click=state.change,
        kwargs={"model": state.DEFAULT_MODEL}, key="to sample",
    )  # fmt: skip
