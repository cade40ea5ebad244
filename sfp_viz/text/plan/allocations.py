"""The ways to allocate widths to the groups, in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.core.allocation.alternatives import Lack
from sfp_viz.core.plan.recipe import Strategy

ALLOCATIONS: Mapping[Strategy, str] = {
    "dispersion": "by Kernel Dispersion",
    "uniform": "uniform",
    "functional": "by functional redundancy",
    "sensitivity": "by sensitivity",
    "pooled": "by one threshold",
}
_LACKS: Mapping[Lack, str] = {
    "observations": "not calibrated on images",
    "sensitivity": "the sensitivity was not measured",
    "latency": "the layers were not timed",
    "target": "it cannot reach the target",
}


def lacks_text(lacks: Sequence[Lack]) -> str:
    """Why an allocation was not compared, in the middle of a sentence."""
    return " and ".join(_LACKS[lack] for lack in lacks)
