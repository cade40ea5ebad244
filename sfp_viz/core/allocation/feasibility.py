"""How far a goal can be met, and what prevents more: a lock, a bound, a ratio by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sfp_viz.core.allocation.bounds import bounds, is_left_tied, unseen_groups
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.recipe import Goal
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import PlanError

LimitKind = Literal[
    "whole_groups", "unobserved", "unmeasured", "max_ratio", "ratios", "minimums", "kept_filters"
]
_LARGEST_RATIO = 0.99  # of the filters of a group, that a recipe can ask for
RelaxationKind = Literal["lock", "ratio", "minimum", "kept_filters", "tied_layers", "max_ratio"]


@dataclass(frozen=True)
class Limit:
    """Something that holds a goal back, with the ``groups`` that it holds; ``all_groups`` of the
    network ('whole_groups'); the ``share`` 0..1 of its filters that a group may lose at most
    ('max_ratio')."""

    kind: LimitKind
    groups: tuple[str, ...] = ()
    all_groups: int = 0
    share: float = 0.0

    @property
    def label(self) -> str:
        """The kind and the groups in a few words, for the message of an error."""
        names = f" ({' '.join(self.groups[:4])}{' …' * (len(self.groups) > 4)})" * bool(self.groups)
        return self.kind.replace("_", " ") + names


@dataclass(frozen=True)
class Relaxation:
    """One thing that holds a goal back, taken away: of ``group``, or of the recipe where that is
    ''. ``to`` is the reduction 0..0.99 that it would allow, ``request`` the one without it."""

    kind: RelaxationKind
    group: str
    to: float
    request: Request


@dataclass(frozen=True)
class Feasibility:
    """Whether the ``target`` 0..1 of a ``goal`` can be met: ``most`` is the largest reduction that
    can. Where it is smaller, ``limits`` say what prevents more and ``relaxation`` what would help
    most, None where no single thing would."""

    goal: Goal
    target: float
    most: float
    limits: tuple[Limit, ...] = ()
    relaxation: Relaxation | None = None

    @property
    def nearest(self) -> float:
        """The reduction nearest the target that can be met."""
        return min(self.target, self.most)


class UnreachableTarget(PlanError):
    """The target of a recipe cannot be met; ``feasibility`` says why."""

    def __init__(self, feasibility: Feasibility) -> None:
        super().__init__(feasibility)
        self.feasibility = feasibility

    def __str__(self) -> str:
        target, most = self.feasibility.target, rounded_down(self.feasibility.most)
        limits = ", ".join(limit.label for limit in self.feasibility.limits) or "none"
        return (
            f"A reduction of {100 * target:.1f} % cannot be reached, at most {100 * most:.1f} %. "
            f"Lower the target, or allow more. Limits: {limits}."
        )


def largest_reduction(problem: Problem) -> float:
    """The largest reduction of the goal that bounds and edits allow, 0..0.99, rounded down to 6
    digits so that it can be met; computed, for latency estimated. Ratios by hand for which no
    group makes up (``edits.makeup``) do not count: they may miss the target."""
    low, _ = bounds(_binding(problem))
    count = problem.objective
    before = count(count.sizes)
    saved = 1 - count(low) / before if before else 0.0
    return float(np.clip(np.floor(saved * 1e6 + 1e-6) / 1e6, 0.0, 0.99))


def feasibility(problem: Problem) -> Feasibility:
    """How near the target the problem can come, and what prevents more where it falls short."""
    goal, target, most = (
        problem.recipe.goal,
        problem.recipe.target_reduction,
        largest_reduction(problem),
    )
    if most >= target:
        return Feasibility(goal, target, most)
    return Feasibility(goal, target, most, _limits(problem), best_relaxation(problem))


def best_relaxation(problem: Problem) -> Relaxation | None:
    """The one lock, ratio, minimum or bound whose end would help most; what a person set first.

    None where no single one would allow a tenth of a percent more.
    """
    floor = largest_reduction(problem) + 0.001
    for options in (_by_hand(problem), _by_recipe(problem)):
        helpful = [
            Relaxation(kind, group, to, relaxed.request)
            for kind, group, relaxed in options
            if (to := largest_reduction(relaxed)) >= floor
        ]
        if helpful:
            return max(helpful, key=lambda relaxation: relaxation.to)
    return None


def rounded_down(share: float) -> float:
    """A share 0..1 rounded down to a tenth of a percent: no more is promised than holds."""
    return float(np.floor(share * 1000 + 1e-9) / 1000)


def _binding(problem: Problem) -> Problem:
    """With the edits that the target must be met with: no ratios for which no group makes up."""
    return problem if problem.edits.makeup else problem.with_edits(ratios=())


def _by_hand(problem: Problem) -> Iterator[tuple[RelaxationKind, str, Problem]]:
    """Each thing that a person set, taken back alone."""
    edits = problem.edits
    for name in edits.protected:
        still_locked = tuple(other for other in edits.protected if other != name)
        yield "lock", name, problem.with_edits(protected=still_locked)
    for name, _ in edits.ratios:
        yield "ratio", name, problem.with_edits(ratios=_without(edits.ratios, name))
    for name, _ in edits.least:
        yield "minimum", name, problem.with_edits(least=_without(edits.least, name))
    for name in dict(edits.keep):
        yield "kept_filters", name, problem.with_edits(keep=_without(edits.keep, name))


def _without(pairs: tuple[tuple[str, Any], ...], name: str) -> tuple[tuple[str, Any], ...]:
    return tuple(pair for pair in pairs if pair[0] != name)


def _by_recipe(problem: Problem) -> Iterator[tuple[RelaxationKind, str, Problem]]:
    """Each bound of the recipe, lifted alone."""
    network, recipe = problem.network, problem.recipe
    if any(is_left_tied(network, group, recipe) for group in network.free):
        yield "tied_layers", "", problem.with_recipe(coupled="shared")
    if problem.recipe.max_ratio < _LARGEST_RATIO:
        yield "max_ratio", "", problem.with_recipe(max_ratio=_LARGEST_RATIO)


def _limits(problem: Problem) -> tuple[Limit, ...]:
    problem = _binding(problem)
    network, recipe, edits = problem.network, problem.recipe, problem.edits
    low, _ = bounds(problem)
    whole = tuple(g.name for g, n in zip(network.groups, low, strict=True) if n == g.size)
    unknown = tuple(name for name in unseen_groups(problem) if name in whole)
    kind: LimitKind = "unobserved" if recipe.allocation == "functional" else "unmeasured"
    limits = [
        Limit("whole_groups", whole, all_groups=len(network.groups)),
        Limit(kind, unknown),
        Limit("ratios", tuple(name for name, _ in edits.ratios)),
        Limit("minimums", tuple(name for name, _ in edits.least)),
        Limit("kept_filters", tuple(dict(edits.keep))),
    ]
    limits = [limit for limit in limits if limit.groups]
    if len(whole) < len(network.groups):
        place = sum(limit.kind in ("whole_groups", kind) for limit in limits)
        limits.insert(place, Limit("max_ratio", share=recipe.max_ratio))
    return tuple(limits)
