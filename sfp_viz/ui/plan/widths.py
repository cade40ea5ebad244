"""Units kept of each group, as the bars, the table and the head of the page draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sfp_viz.core.plan.recipe import Strategy

Others = Mapping[Strategy, Mapping[str, int]]


Curves = Mapping[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class Widths:
    """The widths that are drawn of a plan: units that each group keeps, by name.

    ``kept`` under the plan, ``suggested`` without manual widths, ``unrounded`` without rounding
    ({} where nothing is rounded). ``curves``: (kept, lost) by rising kept, in ``unit``; {} for
    none. All computed.
    """

    kept: Mapping[str, int]
    suggested: Mapping[str, int]
    unrounded: Mapping[str, int]
    curves: Curves
    unit: str = ""
