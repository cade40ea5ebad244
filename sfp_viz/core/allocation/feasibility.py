"""How far a goal can be met, and what prevents more: a lock, a bound, a ratio by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfp_viz.core.allocation.bounds import bounds, unseen
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.objective import WORDS
from sfp_viz.core.plan.request import Request


@dataclass(frozen=True)
class Relaxation:
    """One thing that holds a goal back, taken away: ``sentence`` says what it would allow, ``to``
    how far, 0..0.99; ``request`` is the one without it."""

    sentence: str
    to: float
    request: Request


def furthest(problem: Problem) -> float:
    """The largest reduction of the goal that bounds and edits allow, 0..0.99, rounded down to 6
    digits so that it can be met; computed, for latency estimated. Ratios by hand for which no
    group makes up (``edits.makeup``) do not count: they may miss the target."""
    low, _ = bounds(_binding(problem))
    count = problem.objective
    before = count(count.sizes)
    saved = 1 - count(low) / before if before else 0.0
    return float(np.clip(np.floor(saved * 1e6 + 1e-6) / 1e6, 0.0, 0.99))


def nearest_feasible(problem: Problem) -> tuple[float, str]:
    """The reduction nearest the target that can be met, and a sentence on what prevents more.

    The sentence is empty where the target itself can be met.
    """
    most = furthest(problem)
    if most >= problem.recipe.target_reduction:
        return problem.recipe.target_reduction, ""
    reasons = "; ".join(_reasons(problem))
    lift = best_lift(problem)
    sentence = f"{reasons}." if reasons else ""
    return most, f"{sentence[:1].upper()}{sentence[1:]} {lift.sentence if lift else ''}".strip()


def best_lift(problem: Problem) -> Relaxation | None:
    """The one lock, ratio, minimum or bound whose end would help most; what a person set first.

    None where no single one would allow a tenth of a percent more.
    """
    floor = furthest(problem) + 0.001
    for lifts in (_by_hand(problem), _by_recipe(problem)):
        found = [
            Relaxation(f"{words} would allow {in_percent(to)} %.", to, lifted.request)
            for words, lifted in lifts
            if (to := furthest(lifted)) >= floor
        ]
        if found:
            return max(found, key=lambda lift: lift.to)
    return None


def out_of_reach(problem: Problem) -> str:
    """What to say when the target cannot be met: the nearest one that can, and why."""
    recipe, most = problem.recipe, furthest(problem)
    reasons = "; ".join(_reasons(problem))
    lift = best_lift(problem)
    return (
        f"A reduction of {100 * recipe.target_reduction:.1f} % of the {WORDS[recipe.goal]} cannot "
        f"be reached, at most {in_percent(most)} %: {reasons}. "
        f"{lift.sentence + ' ' if lift else ''}Lower the target, or allow more."
    )


def _binding(problem: Problem) -> Problem:
    """With the edits that the target must be met with: no ratios for which no group makes up."""
    return problem if problem.edits.makeup else problem.with_edits(ratios=())


def _by_hand(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Each thing that a person set, taken back alone."""
    edits = problem.edits
    for name in edits.protected:
        rest = tuple(other for other in edits.protected if other != name)
        yield f"Freeing {name}", problem.with_edits(protected=rest)
    for name, _ in edits.ratios:
        yield f"Giving up the ratio of {name}", problem.with_edits(ratios=_but(edits.ratios, name))
    for name, _ in edits.least:
        yield f"Lifting the minimum of {name}", problem.with_edits(least=_but(edits.least, name))
    for name in dict(edits.keep):
        keep = _but(edits.keep, name)
        yield f"Giving up the filters kept by hand in {name}", problem.with_edits(keep=keep)


def _but(pairs: tuple[tuple[str, Any], ...], name: str) -> tuple[tuple[str, Any], ...]:
    return tuple(pair for pair in pairs if pair[0] != name)


def _by_recipe(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Each bound of the recipe, lifted alone."""
    tied = any(len(group.layers) > 1 for group in problem.network.free)
    if problem.recipe.coupled == "protect" and tied:
        yield "Cutting layers that are tied together", problem.with_recipe(coupled="shared")
    if problem.recipe.max_ratio < 0.99:
        whole = problem.with_recipe(max_ratio=0.99)
        yield "Letting a group lose up to 99 % of its filters", whole


def _reasons(problem: Problem) -> list[str]:
    problem = _binding(problem)
    network, recipe, edits = problem.network, problem.recipe, problem.edits
    low, _ = bounds(problem)
    fixed = [g.name for g, n in zip(network.groups, low, strict=True) if n == g.size]
    reasons = []
    if fixed:
        reasons = [f"{len(fixed)} of {len(network.groups)} groups stay whole ({_few(fixed)})"]
    skipped = [name for name in unseen(problem) if name in fixed]
    if skipped:
        how = "observed" if recipe.allocation == "functional" else "measured"
        reasons.append(f"{len(skipped)} of them {'was' if len(skipped) == 1 else 'were'} not {how}")
    if len(fixed) < len(network.groups):
        reasons.append(
            f"no {'other ' if fixed else ''}group may lose more than "
            f"{100 * recipe.max_ratio:.0f} % of its filters"
        )
    if edits.ratios:
        many = len(edits.ratios)
        reasons.append("1 ratio is set by hand" if many == 1 else f"{many} ratios are set by hand")
    if edits.least:
        names = [name for name, _ in edits.least]
        reasons.append(f"a minimum is set by hand ({_few(names)})")
    if edits.keep:
        reasons.append(f"filters are kept by hand ({_few(list(dict(edits.keep)))})")
    return reasons


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def in_percent(share: float) -> str:
    """A share 0..1 in percent with one digit, rounded down: no more is promised than holds."""
    return f"{np.floor(share * 1000 + 1e-9) / 10:.1f}"
