"""What each way of sharing out would keep of a network, at the same target and under the same
bounds, changes by hand and rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.suggestion import allocated_widths
from sfp_viz.core.evidence.evidence import needs
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.errors import PlanError

COMPARED: tuple[Strategy, ...] = ("dispersion", "uniform", "functional", "sensitivity")
SAID: Mapping[Strategy, str] = {
    "dispersion": "by Kernel Dispersion",
    "uniform": "the same everywhere",
    "functional": "by function",
    "sensitivity": "by sensitivity",
    "pooled": "one threshold for all",
}
_LACKING = {
    "observations": "no images were looked at",
    "sensitivity": "the sensitivity was not measured",
    "latency": "the layers were not timed",
}


@dataclass(frozen=True)
class Alternative:
    """One way of sharing out: ``kept`` units of each group, by name (computed), or {} where it is
    not known: ``lacks`` names the parts of Evidence that are missing, ``problem`` says why there
    is no such plan (the target is out of its reach)."""

    allocation: Strategy
    kept: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    problem: str = ""

    @property
    def known(self) -> bool:
        return not self.lacks and not self.problem

    @property
    def why_not(self) -> str:
        """Why it is not known, in the middle of a sentence; '' where it is."""
        if self.lacks:
            return " and ".join(_LACKING[name] for name in self.lacks)
        return "it cannot reach the target" if self.problem else ""


def alternatives(problem: Problem) -> tuple[Alternative, ...]:
    """Each of ``COMPARED`` in place of the recipe's own allocation; all else stays as it is.

    Raises RecipeError where evidence is of other weights.
    """
    found = []
    for allocation in COMPARED:
        other = problem.with_recipe(allocation=allocation)
        lacks = tuple(n for n in needs(other.recipe) if getattr(other.evidence, n) is None)
        if lacks:
            found.append(Alternative(allocation, lacks=lacks))
            continue
        try:
            found.append(Alternative(allocation, allocated_widths(other)))
        except PlanError as error:
            found.append(Alternative(allocation, problem=str(error)))
    return tuple(found)


def left_out(found: tuple[Alternative, ...]) -> tuple[tuple[Strategy, str], ...]:
    """Those of ``found`` that are not known, each with the reason."""
    return tuple((one.allocation, one.why_not) for one in found if not one.known)
