"""What each way of sharing out would keep of a network, at the same target and under the same
bounds, changes by hand and rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import Part, needs
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.errors import PlanError

COMPARED: tuple[Strategy, ...] = ("dispersion", "uniform", "functional", "sensitivity")
Lack = Part | Literal["target"]


@dataclass(frozen=True)
class Alternative:
    """One way of sharing out: ``kept`` units of each group, by name (computed), or {} where it is
    not known: ``lacks`` names the parts of Evidence that are missing, ``problem`` says why there
    is no such plan (the target is out of its reach)."""

    allocation: Strategy
    kept: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[Lack, ...] = ()
    problem: str = ""

    @property
    def known(self) -> bool:
        return not self.lacks and not self.problem


def alternatives(problem: Problem) -> tuple[Alternative, ...]:
    """What each of ``COMPARED`` would keep in place of the recipe's own allocation.

    Raises:
        RecipeError: Evidence belongs to other weights.
    """
    results = []
    for allocation in COMPARED:
        other = problem.with_recipe(allocation=allocation)
        lacks: tuple[Lack, ...] = tuple(
            n for n in needs(other.recipe) if getattr(other.evidence, n) is None
        )
        if lacks:
            results.append(Alternative(allocation, lacks=lacks))
            continue
        try:
            results.append(Alternative(allocation, allocated_widths(other)))
        except PlanError as error:
            results.append(Alternative(allocation, problem=str(error)))
    return tuple(results)


def left_out(
    alternatives: tuple[Alternative, ...],
) -> tuple[tuple[Strategy, tuple[Lack, ...]], ...]:
    """Those that are not known, each with the evidence that it lacks, or 'target' where the
    target is out of its reach."""
    return tuple(
        (alternative.allocation, alternative.lacks or ("target",))
        for alternative in alternatives
        if not alternative.known
    )
