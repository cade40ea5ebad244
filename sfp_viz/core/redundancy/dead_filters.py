"""Dead filters: those whose weights are all 0, so that they pass nothing on to the next layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.redundancy.similarity import filter_matrix, layer_matrix, live
from sfp_viz.errors import PlanError


@dataclass(frozen=True)
class DeadFilters:
    """The dead ``units`` of a ``group`` of ``size``: in none of its layers do they have weights
    above 1e-6 of the largest. ``layers`` are those without any live filter."""

    group: str
    size: int
    units: tuple[int, ...]
    layers: tuple[str, ...]


def dead_filters(network: Network) -> tuple[DeadFilters, ...]:
    """Every group with dead units or a dead layer, protected ones too; computed from weights.

    A dead unit may still feed forward a constant: its bias, or the shift of the norm behind it.
    Groups whose weights cannot be compared (not finite, or of several widths) are left out.
    """
    groups = []
    for group in network.groups:
        try:
            dead = _of(network, group)
        except PlanError:
            continue
        if dead.units or dead.layers:
            groups.append(dead)
    return tuple(groups)


def _of(network: Network, group: FilterGroup) -> DeadFilters:
    units = np.flatnonzero(~live(filter_matrix(network, group)))
    layers = tuple(
        name for name in group.layers if not live(layer_matrix(network, group, name)).any()
    )
    return DeadFilters(group.name, group.size, tuple(int(unit) for unit in units), layers)
