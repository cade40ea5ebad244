"""What rounding to multiples costs: the same recipe with and without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sfp_viz.core.allocation.suggestion import allocate
from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe


@dataclass(frozen=True)
class RoundingCost:
    """Computed, for latency estimated. ``step`` is the rounding in use: 1 where multiples could
    not meet the target. ``without`` and ``with_it`` are the reductions of the goal, 0..1, and
    ``free`` and ``rounded`` the units that each group keeps, without and with rounding."""

    asked: int
    step: int
    without: float
    with_it: float
    free: Mapping[str, int]
    rounded: Mapping[str, int]

    @property
    def sentence(self) -> str:
        """What rounding does to this plan, in words."""
        if self.asked == 1:
            return "Filters are not rounded."
        if self.step == 1:
            return f"Multiples of {self.asked} cannot meet the target, so nothing is rounded."
        moved = sum(self.free[name] != n for name, n in self.rounded.items())
        return (
            f"Multiples of {self.step}: {moved} of {len(self.rounded)} groups differ, and "
            f"{100 * self.with_it:.1f} % is saved instead of {100 * self.without:.1f} %."
        )


def rounding_cost(
    network: Network,
    dispersions: Mapping[str, float],
    recipe: Recipe,
    edits: Edits | None = None,
    evidence: Evidence | None = None,
) -> RoundingCost:
    """Widths and reduction of the goal with the recipe's rounding and with single units.

    Raises what ``suggest`` raises.
    """
    rounded = allocate(network, dispersions, recipe, edits, evidence)
    plain = replace(recipe, rounding=1)
    free = rounded if recipe == plain else allocate(network, dispersions, plain, edits, evidence)
    count = objective_of(network, recipe.goal, evidence.latency if evidence else None)
    whole = count(count.sizes)

    def saved(kept: Mapping[str, int]) -> float:
        return 1 - count(np.array([kept[n] for n in count.names])) / whole if whole else 0.0

    return RoundingCost(
        recipe.rounding, rounded.step, saved(free.kept), saved(rounded.kept), free.kept,
        rounded.kept,
    )  # fmt: skip
