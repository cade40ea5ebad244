"""How far a goal can be met, and what prevents more: a lock, a bound, a ratio by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sfp_viz.core.allocation.bounds import bounds, unseen
from sfp_viz.core.cost.objective import WORDS, objective_of
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe


@dataclass(frozen=True)
class Relaxation:
    """One thing that holds a goal back, taken away: ``sentence`` says what it would allow, ``to``
    how far, 0..0.99; ``recipe`` and ``edits`` are those without it."""

    sentence: str
    to: float
    recipe: Recipe
    edits: Edits


def furthest(
    network: Network,
    recipe: Recipe,
    edits: Edits | None = None,
    evidence: Evidence | None = None,
) -> float:
    """The largest reduction of the goal that bounds and edits allow, 0..0.99, rounded down to 6
    digits so that it can be met; computed, for latency estimated. Ratios by hand for which no
    group makes up (``edits.makeup``) do not count: they may miss the target."""
    low, _ = bounds(network, recipe, _binding(edits), evidence)
    count = objective_of(network, recipe.goal, evidence.latency if evidence else None)
    before = count(count.sizes)
    saved = 1 - count(low) / before if before else 0.0
    return float(np.clip(np.floor(saved * 1e6 + 1e-6) / 1e6, 0.0, 0.99))


def nearest_feasible(
    network: Network,
    recipe: Recipe,
    edits: Edits | None = None,
    evidence: Evidence | None = None,
) -> tuple[float, str]:
    """The reduction nearest the target that can be met, and a sentence on what prevents more.

    The sentence is empty where the target itself can be met.
    """
    most = furthest(network, recipe, edits, evidence)
    if most >= recipe.target_reduction:
        return recipe.target_reduction, ""
    reasons = "; ".join(_reasons(network, recipe, edits, evidence))
    lift = best_lift(network, recipe, edits, evidence)
    sentence = f"{reasons}." if reasons else ""
    return most, f"{sentence[:1].upper()}{sentence[1:]} {lift.sentence if lift else ''}".strip()


def best_lift(
    network: Network,
    recipe: Recipe,
    edits: Edits | None = None,
    evidence: Evidence | None = None,
) -> Relaxation | None:
    """The one lock, ratio, minimum or bound whose end would help most; what a person set first.

    None where no single one would allow a tenth of a percent more.
    """
    edits = edits or Edits(network.digest)
    floor = furthest(network, recipe, edits, evidence) + 0.001
    for lifts in (_by_hand(recipe, edits), _by_recipe(network, recipe, edits)):
        found = [
            Relaxation(f"{words} would allow {in_percent(to)} %.", to, freed, changed)
            for words, freed, changed in lifts
            if (to := furthest(network, freed, changed, evidence)) >= floor
        ]
        if found:
            return max(found, key=lambda lift: lift.to)
    return None


def out_of_reach(
    network: Network, recipe: Recipe, edits: Edits | None, evidence: Evidence | None
) -> str:
    """What to say when the target cannot be met: the nearest one that can, and why."""
    most = furthest(network, recipe, edits, evidence)
    reasons = "; ".join(_reasons(network, recipe, edits, evidence))
    lift = best_lift(network, recipe, edits, evidence)
    return (
        f"A reduction of {100 * recipe.target_reduction:.1f} % of the {WORDS[recipe.goal]} cannot "
        f"be reached, at most {in_percent(most)} %: {reasons}. "
        f"{lift.sentence + ' ' if lift else ''}Lower the target, or allow more."
    )


def _binding(edits: Edits | None) -> Edits | None:
    """The edits that a target must be met with: not ratios for which no group makes up."""
    return edits if edits is None or edits.makeup else replace(edits, ratios=())


def _by_hand(recipe: Recipe, edits: Edits) -> Iterator[tuple[str, Recipe, Edits]]:
    """Each thing that a person set, taken back alone."""
    for name in edits.protected:
        yield f"Freeing {name}", recipe, edits.with_protected(name, False)
    for name, _ in edits.ratios:
        yield f"Giving up the ratio of {name}", recipe, edits.with_ratio(name, None)
    for name, _ in edits.least:
        yield f"Lifting the minimum of {name}", recipe, edits.with_least(name, None)
    for name in dict(edits.keep):
        rest = tuple(pair for pair in edits.keep if pair[0] != name)
        yield f"Giving up the filters kept by hand in {name}", recipe, replace(edits, keep=rest)


def _by_recipe(
    network: Network, recipe: Recipe, edits: Edits
) -> Iterator[tuple[str, Recipe, Edits]]:
    """Each bound of the recipe, lifted alone."""
    if recipe.coupled == "protect" and any(len(g.layers) > 1 for g in network.free):
        yield "Cutting layers that are tied together", replace(recipe, coupled="shared"), edits
    if recipe.max_ratio < 0.99:
        whole = replace(recipe, max_ratio=0.99)
        yield "Letting a group lose up to 99 % of its filters", whole, edits


def _reasons(
    network: Network, recipe: Recipe, edits: Edits | None, evidence: Evidence | None
) -> list[str]:
    edits = _binding(edits)
    low, _ = bounds(network, recipe, edits, evidence)
    fixed = [g.name for g, n in zip(network.groups, low, strict=True) if n == g.size]
    reasons = []
    if fixed:
        reasons = [f"{len(fixed)} of {len(network.groups)} groups stay whole ({_few(fixed)})"]
    skipped = [name for name in unseen(network, recipe, evidence) if name in fixed]
    if skipped:
        how = "observed" if recipe.allocation == "functional" else "measured"
        reasons.append(f"{len(skipped)} of them {'was' if len(skipped) == 1 else 'were'} not {how}")
    if len(fixed) < len(network.groups):
        reasons.append(
            f"no {'other ' if fixed else ''}group may lose more than "
            f"{100 * recipe.max_ratio:.0f} % of its filters"
        )
    if edits and edits.ratios:
        many = len(edits.ratios)
        reasons.append("1 ratio is set by hand" if many == 1 else f"{many} ratios are set by hand")
    if edits and edits.least:
        names = [name for name, _ in edits.least]
        reasons.append(f"a minimum is set by hand ({_few(names)})")
    if edits and edits.keep:
        reasons.append(f"filters are kept by hand ({_few(list(dict(edits.keep)))})")
    return reasons


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def in_percent(share: float) -> str:
    """A share 0..1 in percent with one digit, rounded down: no more is promised than holds."""
    return f"{np.floor(share * 1000 + 1e-9) / 10:.1f}"
