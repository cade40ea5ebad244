"""The strip of layers by depth: width, Kernel Dispersion and share of filters kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sfp_viz.core.network import Network
from sfp_viz.ui.components.load import load
from sfp_viz.ui.names import short_names

_mount = load("layer_strip")


def cells(
    network: Network, dispersions: Mapping[str, float], kept: Mapping[str, int]
) -> list[dict[str, Any]]:
    """A cell for each layer, as JSON values.

    Args:
        network: The network.
        dispersions: Kernel Dispersion 0..1 by group; groups may be missing.
        kept: Units that each group keeps, by group; groups that are missing keep all.
    """
    short = short_names([layer.name for layer in network.layers])
    values = []
    for layer in network.layers:
        group = network.group_of(layer.name)
        size = group.size if group else layer.filters
        keeps = kept.get(group.name, size) if group else size
        whole = group is None or group.protected
        dispersion = dispersions.get(group.name) if group else None
        words = f"{layer.filters:,} filters"
        if dispersion is not None:
            words += f", Kernel Dispersion {dispersion:.2f}"
        words += ", not pruned" if whole else f", {keeps:,} of {size:,} kept"
        stage, short_name = short[layer.name]
        values.append(
            {
                "name": layer.name, "stage": stage, "short": short_name, "filters": layer.filters,
                "group": group.name if group else "", "size": size, "kept": keeps,
                "whole": whole, "words": words,
                "dispersion": None if dispersion is None else round(float(dispersion), 4),
            }
        )  # fmt: skip
    return values


def layer_strip(
    cell_values: list[dict[str, Any]],
    *,
    key: str,
    chosen: str,
    group: str,
    on_change: Callable[[], None],
) -> None:
    """Draw the strip; a click puts the layer's name into ``st.session_state[key]["chosen"]``.

    Args:
        drawn: The cells.
        key: Key of the component.
        chosen: Name of the selected layer.
        group: Name of its group, whose other layers are highlighted.
        on_change: Called after a click.
    """
    _mount(
        key=key,
        data={"cells": cell_values, "chosen": chosen, "group": group},
        on_chosen_change=on_change,
    )
