"""Which groups a plan leaves with a number of filters that is no multiple of the rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.bounds import bounds, stepped_bounds
from sfp_viz.core.allocation.problem import Problem


@dataclass(frozen=True)
class Unrounded:
    """Pruned groups that keep no multiple of the rounding.

    Attributes:
        rounding: The multiple that the recipe asks for.
        by_target: Groups that left it because the target cannot be met otherwise.
        by_hand: Groups whose ratio, maximum or filters were set by hand.
        most: The largest reduction 0..1 with multiples alone; computed.
    """

    rounding: int
    by_target: tuple[str, ...]
    by_hand: tuple[str, ...]
    most: float

    @property
    def label(self) -> str:
        """What is not rounded, in a few words, for a warning."""
        names = (*self.by_target, *self.by_hand)
        shown = ", ".join([*names[:4], *["..."] * (len(names) > 4)])
        most = f"; with multiples at most {100 * self.most:.1f} % can be removed"
        return (
            f"{len(names)} groups keep no multiple of {self.rounding} filters ({shown})"
            f"{most if self.by_target else ', as set by hand'}"
        )


def unrounded(problem: Problem, kept: Mapping[str, int]) -> Unrounded | None:
    """The pruned groups off the recipe's multiples; None where there are none.

    Args:
        problem: The network, the recipe and the changes by hand.
        kept: Units that each group keeps, by name.
    """
    step, edits = problem.recipe.rounding, problem.edits
    names = [
        g.name for g in problem.network.groups if kept[g.name] < g.size and kept[g.name] % step
    ]
    if not names:
        return None
    by_hand = {*dict(edits.ratios), *dict(edits.most), *dict(edits.remove), *dict(edits.keep)}
    count = problem.objective
    least, _ = stepped_bounds(*bounds(problem), step)
    most = 1 - count(least) / count(count.sizes)
    return Unrounded(
        step,
        tuple(name for name in names if name not in by_hand),
        tuple(name for name in names if name in by_hand),
        float(np.floor(most * 1000) / 1000),
    )
