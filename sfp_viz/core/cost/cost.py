"""Exact MACs, params and activation memory of a plan, from channel counts alone.

MACs = sum over operations of constant * out * in / conv_groups, counted on what is left of both
(docs/method.md): convolutions and linear layers; norms, activations and pooling count 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sfp_viz.core.memo import Memo
from sfp_viz.core.network import CostTerm, Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.errors import PlanError

_NEGLIGIBLE = 0.01  # of the MACs
_ALL_TIED: Memo[bool] = Memo()


@dataclass(frozen=True)
class Cost:
    """Computed, never measured: MACs and params of one image, and peak activation memory.

    ``peak_activation_bytes`` is the most that one layer's input and output take in float32.
    """

    macs: int
    params: int
    peak_activation_bytes: int = 0


def cost(network: Network, plan: Plan | None = None) -> Cost:
    """Cost of the network, or of what ``plan`` leaves of it; exact to the last unit.

    Args:
        network: The network.
        plan: What to remove; None for nothing.

    Raises:
        PlanError: The plan does not fit the network.
    """
    return cost_of_widths(network, kept_units(network, plan))


def cost_of_widths(network: Network, kept: Mapping[str, int]) -> Cost:
    """Cost of the network at these widths; exact to the last unit.

    Args:
        network: The network.
        kept: Units that each group keeps, by name; groups that are missing keep all.

    Raises:
        PlanError: The widths do not divide into the conv_groups of a layer.
    """
    channels = network.channels(kept)
    macs = params = peak = 0
    for term in network.terms:
        outs, ins, parts = term.channels(channels)
        macs += _exact(term, term.macs * outs * ins, parts)
        params += _exact(term, term.params * outs * ins, parts) + term.bias * outs
        read = term.in_map_size or term.map_size
        peak = max(peak, 4 * (term.map_size * outs + read * ins)) if term.macs else peak
    return Cost(macs, params, peak)


def _exact(term: CostTerm, total: int, parts: int) -> int:
    quotient, remainder = divmod(total, parts) if parts else (0, 0)
    if remainder:
        raise PlanError(
            f"The widths around '{term.owner}' do not divide into its {parts} conv_groups."
        )
    return quotient


def all_tied(network: Network) -> bool:
    """Whether next to all that can be cut is tied: the groups of a single layer, at one unit each,
    would save less than ``_NEGLIGIBLE`` of the MACs. A recipe that leaves tied groups whole could
    save nothing there, so tied layers are cut together from the start.

    Args:
        network: The network.
    """
    known = _ALL_TIED.of(network)
    if "all" not in known:
        tied = any(len(group.layers) > 1 for group in network.free)
        alone = {group.name: 1 for group in network.free if len(group.layers) == 1}
        fewest = cost_of_widths(network, alone).macs
        known["all"] = tied and fewest > (1 - _NEGLIGIBLE) * cost_of_widths(network, {}).macs
    return known["all"]
