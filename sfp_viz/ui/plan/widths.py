"""Units kept of each group, as the bars, the table and the head of the page draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sfp_viz.core.plan.recipe import Strategy

Others = Mapping[Strategy, Mapping[str, int]]


Curves = Mapping[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class Widths:
    """The widths that are drawn of a plan, in units kept by group; all computed.

    Attributes:
        kept: Of the plan.
        suggested: Without manual widths.
        unrounded: Without rounding; {} if nothing is rounded.
        curves: (kept, lost) by rising kept, by group; {} for none.
        unit: Unit of the curves.
    """

    kept: Mapping[str, int]
    suggested: Mapping[str, int]
    unrounded: Mapping[str, int]
    curves: Curves
    unit: str = ""
