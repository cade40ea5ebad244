"""Which layers of a network have stripes to lose, what they weigh, and what filters come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from sfp_viz.core.allocation.suggestion import suggest
from sfp_viz.core.cost.stripes import stripe_cost
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.training.sparsification import Sparsification


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


def filter_targets(
    network: Network, groups: Sequence[str], settings: Sparsification
) -> dict[str, float]:
    """Share of each group's filters that the first phase of multi-granularity pruning keeps: the
    same everywhere, so that MACs come to (1 - reduction) ** filter_part."""
    left = (1 - settings.target_reduction) ** settings.filter_part
    if not groups or left >= 1:
        return dict.fromkeys(groups, 1.0)
    tied = "shared" if settings.coupled else "protect"
    kept = suggest(network, {}, uniform_l1(1 - left, coupled=tied, max_ratio=0.99))
    return {name: kept[name] / network.group(name).size for name in groups}
