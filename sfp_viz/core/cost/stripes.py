"""Stripes: positions of a filter's window, each a vector over its channels; what they cost.

A filter of K_h x K_w positions has as many stripes; dropping one thins the filter and leaves the
number of filters alone (Meng et al. 2020, 'Pruning Filter in Filter'; docs/method.md). MACs are
counted for what is left, at output resolution: an idea of the work, and never a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sfp_viz.core.cost.cost import Cost, cost_of_widths
from sfp_viz.core.network import Network

StripeKind = Literal["dense", "stripes", "smaller"]


def live_stripes(weight: np.ndarray) -> np.ndarray:
    """Which stripes of a weight [filters, channels, height, width] are not 0 everywhere: bool
    [filters, height, width]."""
    return (weight != 0).any(axis=1)


def live_window(live: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The smallest part of a layer's window that holds all its live positions, of whatever filter.

    ``live``: bool [filters, height, width]. Returns (first, last + 1) of its rows and of its
    columns; None where that is the whole window, or where nothing is live.
    """
    whole = tuple((0, size) for size in live.shape[1:])
    lines = [np.flatnonzero(live.any(axis=axes)) for axes in ((0, 2), (0, 1))]
    if not lines[0].size:
        return None
    rows, columns = ((int(line[0]), int(line[-1]) + 1) for line in lines)
    return None if (rows, columns) == whole else (rows, columns)


def stripes_of(network: Network) -> dict[str, int]:
    """Stripes that are not 0, of every layer with a window above 1 x 1 that has dead ones."""
    counts = {}
    for layer in network.layers:
        live = live_stripes(layer.weight)
        if live[0].size > 1 and not live.all():
            counts[layer.name] = int(live.sum())
    return counts


def stripe_cost(
    network: Network,
    stripes: Mapping[str, int] | None = None,
    kept: Mapping[str, int] | None = None,
) -> Cost:
    """Cost when only live stripes count.

    MACs of a layer = stripes * C_in / conv_groups * H_out * W_out, params = stripes * C_in /
    conv_groups + biases; where the stripes lie (a bit for each position) is not counted, and the
    peak of activations does not change. Computed; whether a machine gets faster by it has to be
    measured.

    Args:
        network: The network.
        stripes: Live stripes of a layer's kept filters, by layer; layers that are missing have all
            of theirs. None: those that are not 0 in the network.
        kept: Units that each group keeps, by name; None for all.
    """
    stripes = stripes_of(network) if stripes is None else stripes
    kept = kept or {}
    whole = cost_of_widths(network, kept)
    channels = network.channels(kept)
    macs, params = whole.macs, whole.params
    for term in network.terms:
        if term.owner not in stripes:
            continue
        positions = network.layer(term.owner).weight[0, 0].size
        outs, ins, parts = term.channels(channels)
        dead = outs * positions - stripes[term.owner]
        macs -= term.macs // positions * dead * ins // parts
        params -= term.params // positions * dead * ins // parts
    return Cost(macs, params, whole.peak_activation_bytes)


def share_for(
    network: Network, kept: Mapping[str, int], layers: Mapping[str, int], target_macs: float
) -> float:
    """Share of live stripes, 0.01..1 and the same in all ``layers``, at which the counted MACs
    reach the target.

    Args:
        network: The network.
        kept: Units that each group keeps, by name.
        layers: Kept filters of each layer that may lose stripes, by name.
        target_macs: The MACs to reach.
    """
    none = stripe_cost(network, dict.fromkeys(layers, 0), kept).macs
    whole = cost_of_widths(network, kept).macs
    if whole <= target_macs or whole == none:
        return 1.0
    return float(min(1.0, max(0.01, (target_macs - none) / (whole - none))))


@dataclass(frozen=True)
class StripeChoice:
    """How one layer runs: with its dead stripes as zeros ('dense'), skipped ('stripes'), or with a
    smaller window, without the rows and columns at its border that are dead for all filters
    ('smaller'; other dead stripes are zeros there).

    ``live`` of ``stripes`` are not 0. ``window`` is the height and width of the smaller window,
    None where every border is live for some filter. The times are the measured medians in
    milliseconds of one call on this machine, at the batch that was asked for; None where nothing
    was measured.
    """

    layer: str
    live: int
    stripes: int
    dense_ms: float | None
    stripes_ms: float | None
    kind: StripeKind
    window: tuple[int, int] | None = None
    smaller_ms: float | None = None
