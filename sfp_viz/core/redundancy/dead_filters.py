"""Dead filters: those whose weights are all 0, so that they tell the next layers nothing (G.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.redundancy.similarity import filter_matrix, layer_matrix, live
from sfp_viz.errors import PlanError

_MANY = 8  # groups named in a sentence


@dataclass(frozen=True)
class Dead:
    """The dead ``units`` of a ``group`` of ``size``: in none of its layers do they have weights
    above 1e-6 of the largest. ``layers`` are those without any live filter."""

    group: str
    size: int
    units: tuple[int, ...]
    layers: tuple[str, ...]


def dead_filters(network: Network) -> tuple[Dead, ...]:
    """Every group with dead units or a dead layer, protected ones too; computed from weights.

    A dead unit may still feed forward a constant: its bias, or the shift of the norm behind it.
    Groups whose weights cannot be compared (not finite, or of several widths) are left out.
    """
    found = []
    for group in network.groups:
        try:
            one = _of(network, group)
        except PlanError:
            continue
        if one.units or one.layers:
            found.append(one)
    return tuple(found)


def counted(found: Sequence[Dead]) -> str:
    """How many filters are dead, and of which groups, in a sentence; '' for none."""
    some = [one for one in found if one.units]
    if not some:
        return ""
    total = sum(len(one.units) for one in some)
    names = [f"{one.group} {len(one.units):,} of {one.size:,}" for one in some[:_MANY]]
    more = f" and {len(some) - _MANY} more groups" if len(some) > _MANY else ""
    are = "filter is" if total == 1 else "filters are"
    return f"{total:,} {are} dead (all weights are 0): {', '.join(names)}{more}. They go first."


def warning(found: Sequence[Dead]) -> str:
    """What is wrong where a whole layer is dead, and what to do, in a sentence; '' for nothing."""
    layers = [layer for one in found for layer in one.layers]
    if not layers:
        return ""
    names = ", ".join(f"'{name}'" for name in layers[:_MANY])
    more = f" and {len(layers) - _MANY} more" if len(layers) > _MANY else ""
    it = "them" if len(layers) > 1 else "it"
    return (
        f"Every filter of {names}{more} is dead, so nothing of the image gets through {it}. A plan "
        f"keeps one filter all the same, which is worth nothing: see whether the right weights "
        "were opened, or train the network again."
    )


def _of(network: Network, group: FilterGroup) -> Dead:
    units = np.flatnonzero(~live(filter_matrix(network, group)))
    layers = tuple(
        name for name in group.layers if not live(layer_matrix(network, group, name)).any()
    )
    return Dead(group.name, group.size, tuple(int(unit) for unit in units), layers)
