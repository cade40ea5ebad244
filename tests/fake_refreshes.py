"""Histories of sparse training, made up: no training is needed to draw them."""

from __future__ import annotations

from dataclasses import replace

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.training.history import Refresh


def refreshes(
    network: Network, count: int = 8, *, epochs: int = 4, upto: int = 0, stripes: bool = False
) -> tuple[Refresh, ...]:
    """``count`` lines (the first ``upto`` of them, where given) in which every group of one layer
    loses half of its filters evenly; the last quarter settles. ``stripes``: from the middle on
    every layer with a window loses half of its stripes too."""
    free = [group for group in network.free if len(group.layers) == 1]
    gated = [layer.name for layer in network.layers if layer.weight.shape[2] > 1]
    found = []
    for at in range(1, count + 1):
        left = {g.name: max(1, round(g.size * (1 - 0.5 * at / count))) for g in free}
        cost = cost_of_widths(network, left)
        thin = 1 - 0.5 * max(0.0, 2 * at / count - 1)
        found.append(Refresh(
            step=10 * at, steps=10 * count, epoch=at * epochs // count, epochs=epochs,
            phase="whole" if at <= 0.75 * count else "whole, settling",
            loss=1 / at,
            residual=() if stripes else tuple((name, 0.5 / at) for name in left),
            live=tuple((g.name, left[g.name] / g.size) for g in free),
            stripes=tuple((name, thin) for name in gated) if stripes else (),
            gates=tuple((name, (thin / 2, thin, thin, 1.0, 1.1)) for name in gated)
            if stripes else (),
            macs=cost.macs, params=cost.params, activation_bytes=cost.peak_activation_bytes,
            rho=1.0, learning_rate=0.01, images_per_second=1000.0, seconds=0.5,
            test_accuracy=0.9 if at * epochs % count == 0 else None,
            test_images=360 if at * epochs % count == 0 else 0,
        ))  # fmt: skip
    if stripes:
        names = ["filters"] * (count // 2) + ["stripes"] * (count // 4) + ["frozen"] * count
        found = [replace(one, phase=name) for one, name in zip(found, names, strict=False)]
    return tuple(found[: upto or count])
