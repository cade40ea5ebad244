"""Plans of equal cost around a suggestion, with the damage that is predicted for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.alternatives import alternatives
from sfp_viz.core.allocation.bounds import bounds
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.strategies import functional_curves
from sfp_viz.core.cost.objective import Objective
from sfp_viz.core.evidence.sensitivity import lost_odds
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits

Kind = Literal[
    "suggestion", "uniform", "dispersion", "functional", "sensitivity", "mild", "wild"
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
PREDICTORS = ("dispersion", "functional", "sensitivity")
SPREADS = {"mild": 0.2, "wild": 0.6}  # of the natural logarithm of a group's share
TOLERANCE = 0.005  # of the goal's cost, by which a draw may fall short where widths allow it
_TRIES = 40  # for each draw wanted; a network of few filters may not have as many plans
_FLOOR = 1e-3  # dispersion taken for a group of duplicates, as in the suggestion


@dataclass(frozen=True)
class Draw:
    """One plan: ``kept`` units of every group that may be cut, by name, in network order.

    ``kind``: the 'suggestion' of the recipe, that of another allocation by its name, or drawn at
    random around the suggestion ('mild', 'wild'). ``cost`` is what is left of the goal's measure
    (computed). ``predicted`` holds the damage by each predictor that had its evidence; only its
    order means something. ``right``: images named right when the plan was carried out (measured),
    or None as long as it was not.
    """

    kind: Kind
    kept: tuple[tuple[str, int], ...]
    cost: float
    predicted: tuple[tuple[str, float], ...] = ()
    right: int | None = None

    @property
    def widths(self) -> dict[str, int]:
        return dict(self.kept)


def draws(problem: Problem, *, count: int = 20, seed: int = 0) -> tuple[Draw, ...]:
    """The suggestion, that of each other known allocation, and ``count`` plans around the first,
    all of equal cost.

    Uniform is always the second, even where it is the suggestion itself; an allocation without
    its evidence, or out of whose reach the target is, is left out (see alternatives.py).

    The natural logarithm of each group's share gets a normal draw with a standard deviation of
    0.2 (half the plans, 'mild') or 0.6 ('wild'); then all are scaled by bisection until the cost
    is within the target, and single units are given back in random order while it stays there.

    Args:
        problem: The request, with evidence for its recipe and all dispersions.
        count: Random plans wanted. Fewer come when the network has no more different plans within
            0.5 % of that cost (or within the cost of its cheapest unit, where units are coarser).
        seed: Of the random numbers.
    """
    suggested = _suggested(problem)
    space = _Space.of(problem, suggested[0][1])
    plans: list[tuple[Kind, np.ndarray]] = [
        (kind, space.widths_of(kept)) for kind, kept in suggested
    ]
    source = np.random.default_rng([seed, 7])
    drawn_widths = {tuple(widths) for _, widths in plans}
    parts: tuple[tuple[Kind, int], ...] = (("mild", count // 2), ("wild", count - count // 2))
    for kind, wanted in parts:
        for _ in range(_TRIES * wanted):
            if sum(k == kind for k, _ in plans) == wanted:
                break
            noise = source.normal(0, SPREADS[kind], len(space.low))
            widths = space.at_cost(plans[0][1] / space.count.sizes * np.exp(noise), source)
            if space.is_near(widths) and tuple(widths) not in drawn_widths:
                drawn_widths.add(tuple(widths))
                plans.append((kind, widths))
    free = [group.name for group in problem.network.free]
    results = []
    for kind, widths in plans:
        kept = dict(zip(space.count.names, (int(k) for k in widths), strict=True))
        damage = tuple(predicted_damage(problem, kept).items())
        cost = space.count(widths)
        results.append(Draw(kind, tuple((name, kept[name]) for name in free), cost, damage))
    return tuple(results)


def _suggested(problem: Problem) -> list[tuple[Kind, Mapping[str, int]]]:
    """What the recipe, uniform, and the other allocations that are known would keep."""
    best = allocated_widths(problem)
    plain = allocated_widths(problem.with_recipe(allocation="uniform"))
    suggested: list[tuple[Kind, Mapping[str, int]]] = [("suggestion", best), ("uniform", plain)]
    for other in alternatives(problem):
        if other.known and other.allocation not in ("uniform", "pooled", problem.recipe.allocation):
            suggested.append((other.allocation, other.kept))
    return suggested


def predicted_damage(problem: Problem, kept: Mapping[str, int]) -> dict[str, float]:
    """Damage by each of ``PREDICTORS`` that has its evidence; more is worse, the unit is its own.

    'dispersion': see below. 'functional': the sum over groups of the error that the next layers
    cannot make up for. 'sensitivity': the sum of the log-odds that each group costs alone.

    Args:
        problem: The network with its evidence, and dispersions 0..1 by group.
        kept: Units that each group keeps, by name, 1 or more.

    Raises:
        PlanError: A measured group cannot keep so many units.
    """
    network, evidence, gamma = problem.network, problem.evidence, problem.recipe.gamma
    shares = {g.name: kept[g.name] / g.size for g in network.free}
    damage = {"dispersion": damage_by_dispersion(problem.dispersions, gamma, shares)}
    if evidence.observations is not None:
        curves = functional_curves(evidence.observations)
        gone = {g.name: g.size - kept[g.name] for g in network.free if g.name in curves}
        damage["functional"] = float(sum(curves[name][units] for name, units in gone.items()))
    if evidence.sensitivity is not None:
        damage["sensitivity"] = lost_odds(evidence.sensitivity, kept)
    return damage


def edits_of(network: Network, draw: Draw, edits: Edits | None = None) -> Edits:
    """``edits`` with every ratio set by hand, so that a plan made with them is the draw's.

    Args:
        network: The network.
        draw: One plan for it.
        edits: Changes by hand to start from; locked groups keep all units. None for none.
    """
    edits = edits or Edits(network.digest)
    ratios = tuple(
        (name, 1 - kept / network.group(name).size)
        for name, kept in draw.kept
        if name not in edits.protected
    )
    return replace(edits, ratios=ratios)


def damage_by_dispersion(
    dispersions: Mapping[str, float], gamma: float, shares: Mapping[str, float]
) -> float:
    """Sum over groups of D ** gamma * -ln(share kept): our reading of what the rule minimises.

    At equal cost, where every unit of every group costs alike, its minimum keeps shares in
    proportion to D ** gamma, which is the rule of docs/method.md.

    Args:
        dispersions: Kernel Dispersion 0..1 by group; groups without one do not count.
        gamma: Exponent, 0 or more.
        shares: Share of its units that each group keeps, above 0, up to 1.
    """
    return float(
        sum(
            max(dispersions[name], _FLOOR) ** gamma * -np.log(share)
            for name, share in shares.items()
            if name in dispersions
        )
    )


@dataclass(frozen=True)
class _Space:
    """The plans within a budget: what they cost, and between which widths [groups] they are."""

    count: Objective
    budget: float
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def of(problem: Problem, best: Mapping[str, int]) -> _Space:
        low, high = bounds(problem)
        count = problem.objective
        budget = (1 - problem.recipe.target_reduction) * count(count.sizes)
        suggested_cost = count(np.array([best[name] for name in count.names]))
        return _Space(count, max(budget, suggested_cost), low, high)

    def widths_of(self, kept: Mapping[str, int]) -> np.ndarray:
        return np.array([kept[name] for name in self.count.names], dtype=np.int64)

    def is_near(self, widths: np.ndarray) -> bool:
        """Whether these widths cost the budget, but for 0.5 % or the cheapest unit's cost."""
        cost = self.count(widths)
        lower_costs = [self.count(widths - step) for step in np.eye(len(widths), dtype=np.int64)]
        cheapest = min((cost - lower for lower in lower_costs if lower < cost), default=0.0)
        return self.budget - max(TOLERANCE * self.budget, cheapest) <= cost <= self.budget + 1e-6

    def at_cost(self, shares: np.ndarray, source: np.random.Generator) -> np.ndarray:
        """The widest in proportion to ``shares`` that the budget allows, then single units more,
        in random order."""
        below, above = -8.0, 4.0
        for _ in range(40):
            middle = (below + above) / 2
            fits = self.count(self._rounded(shares * np.exp(middle))) <= self.budget
            below, above = (middle, above) if fits else (below, middle)
        kept = self._rounded(shares * np.exp(below))
        order = source.permutation(len(kept))
        while len(order):
            still = []
            for group in order:
                more = kept.copy()
                more[group] += 1
                if kept[group] < self.high[group] and self.count(more) <= self.budget:
                    kept = more
                    still.append(group)
            order = still
        return kept

    def _rounded(self, shares: np.ndarray) -> np.ndarray:
        wanted = np.minimum(shares, 1) * self.count.sizes
        return np.clip(np.floor(wanted + 0.5).astype(np.int64), self.low, self.high)
