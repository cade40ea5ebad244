"""Which layers of a network have stripes to lose, and what they weigh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from sfp_viz.core.network import Network
from sfp_viz.core.stripes import stripe_cost


def gated_layers(module: nn.Module, network: Network) -> tuple[str, ...]:
    """Layers that get gates: convolutions with a window above 1 x 1 that mix channels."""
    found = []
    for layer in network.layers:
        part: Any = module.get_submodule(layer.name)
        if type(part) is nn.Conv2d and layer.weight[0, 0].size > 1 and layer.weight.shape[1] > 1:
            found.append(layer.name)
    return tuple(found)


def layer_shares(network: Network, layers: Sequence[str]) -> dict[str, float]:
    """MACs of each layer over their mean, 0.25 to 4."""
    none = stripe_cost(network, {}, {}).macs
    macs = {name: none - stripe_cost(network, {name: 0}, {}).macs for name in layers}
    mean = sum(macs.values()) / max(1, len(macs)) or 1.0
    return {name: min(4.0, max(0.25, x / mean)) for name, x in macs.items()}
