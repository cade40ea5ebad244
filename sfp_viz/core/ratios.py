"""From Kernel Dispersion to the filters that each group keeps, under a target (methods.md G.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.cost import cost, cost_of_widths
from sfp_viz.core.edits import Edits
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.recipe import Recipe
from sfp_viz.errors import PlanError

_FLOOR = 1e-3  # dispersion taken for a group of duplicates, so that its weight is not 0


def suggest(
    network: Network,
    dispersions: Mapping[str, float],
    recipe: Recipe,
    edits: Edits | None = None,
) -> dict[str, int]:
    """Units that each group keeps, so that the MACs fall by at least the target.

    A group keeps tau * dispersion ** gamma of its units, or tau alone for 'uniform', within what
    the recipe and ``edits`` allow; the largest tau that meets the target is found by bisection,
    then single units (steps of the rounding) are given back by falling dispersion while the
    target holds. Raises PlanError, with the reduction that can be reached, when none can.
    """
    low, high = bounds(network, recipe, edits)
    count = _Macs(network)
    budget = np.floor((1 - recipe.target_reduction) * count(count.sizes) + 1e-6)
    weights = np.array([_weight(g, dispersions, recipe) for g in network.groups])
    for step in dict.fromkeys((recipe.rounding, 1)):
        least, most = _on_steps(low, high, step)
        if count(least) <= budget:
            shape = _Shape(weights, count.sizes, least, most, step)
            kept = _give_back(shape, _largest(shape, count, budget), count, budget)
            return {g.name: int(n) for g, n in zip(network.groups, kept, strict=True)}
    raise PlanError(_out_of_reach(network, recipe, edits, low))


def bounds(
    network: Network, recipe: Recipe, edits: Edits | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most units that each group may keep, int64 [groups] each, in network order."""
    edits = edits or Edits(network.digest)
    if edits.digest != network.digest:
        raise PlanError(
            f"The edits were made on other weights ({edits.digest}, here {network.digest}). "
            "Open the network they belong to, or start without edits."
        )
    for name in (*dict(edits.ratios), *edits.protected, *dict(edits.keep), *dict(edits.remove)):
        network.group(name)  # raises PlanError for a name that the network has not
    pairs = [_range(group, recipe, edits) for group in network.groups]
    low, high = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return low, high


def _range(group: FilterGroup, recipe: Recipe, edits: Edits) -> tuple[int, int]:
    stay = [unit for name, unit in edits.keep if name == group.name]
    gone = [unit for name, unit in edits.remove if name == group.name]
    ratio = dict(edits.ratios).get(group.name)
    if any(not 0 <= unit < group.size for unit in (*stay, *gone)):
        raise PlanError(f"'{group.name}' has filters 0 to {group.size - 1}; an edit names others.")
    if group.protected:
        if ratio or gone:
            raise PlanError(f"'{group.name}' cannot be cut: {group.why} Take that edit back.")
        return group.size, group.size
    if group.name in edits.protected:
        return group.size, group.size
    most = group.size - len(gone)
    if most < 1:
        raise PlanError(f"Every filter of '{group.name}' is marked to go; keep at least one.")
    if ratio is not None:
        kept = group.size - int(np.floor(ratio * group.size + 0.5))
        kept = min(max(kept, len(stay), 1), most)
        return kept, kept
    if len(group.layers) > 1 and recipe.coupled == "protect":
        return most, most
    fewest = int(np.ceil((1 - recipe.max_ratio) * group.size - 1e-9))
    return min(max(fewest, len(stay), 1), most), most


@dataclass(frozen=True)
class _Shape:
    """What the widths may be: weights, sizes, bounds [groups] and the step between widths."""

    weights: np.ndarray
    sizes: np.ndarray
    least: np.ndarray
    most: np.ndarray
    step: int

    def at(self, tau: float) -> np.ndarray:
        """Widths at ``tau``: on the steps, inside the bounds, never falling as tau grows."""
        wanted = np.minimum(tau * self.weights, 1) * self.sizes
        kept = np.floor(wanted / self.step + 0.5).astype(np.int64) * self.step
        return np.clip(kept, self.least, self.most)


class _Macs:
    """MACs of all widths at once: the terms of cost.py as three matrices; exact below 2^53."""

    def __init__(self, network: Network) -> None:
        terms = [term for term in network.terms if term.macs]
        columns = {group.name: i for i, group in enumerate(network.groups)}
        self.sizes = np.array([group.size for group in network.groups], dtype=np.int64)
        self._repeats = np.array([group.repeats for group in network.groups] + [1])
        self._each = np.array([term.macs for term in terms], dtype=np.float64)
        self._sums = np.zeros((3, len(terms), len(columns) + 1))
        for row, term in enumerate(terms):
            for part, width in enumerate((term.outs, term.ins, term.conv_groups)):
                for name, factor in width:
                    self._sums[part, row, columns[name] if name else -1] += factor

    def __call__(self, kept: np.ndarray) -> float:
        outs, ins, parts = self._sums @ (np.append(kept, 1) * self._repeats)
        return float((self._each * outs * ins / parts).sum())


def _weight(group: FilterGroup, dispersions: Mapping[str, float], recipe: Recipe) -> float:
    if recipe.allocation == "uniform":
        return 1.0
    return max(dispersions.get(group.name, 1.0), _FLOOR) ** recipe.gamma


def _on_steps(low: np.ndarray, high: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Bounds moved onto multiples of ``step``; what has no multiple inside stays as it is."""
    least, most = -(-low // step) * step, high // step * step
    least = np.where(least > high, high, least)
    free = (low < high) & (most >= least)
    return np.where(free, least, np.where(low < high, high, low)), high


def _largest(shape: _Shape, count: _Macs, budget: float) -> np.ndarray:
    """Widths at the largest tau whose MACs are within the budget; 60 halvings of log tau."""
    if count(shape.most) <= budget:
        return shape.most
    ends = np.array([0.25 / shape.sizes.max(), 2.0]) / [shape.weights.max(), shape.weights.min()]
    below, above = np.log(ends)
    for _ in range(60):
        middle = (below + above) / 2
        if count(shape.at(np.exp(middle))) <= budget:
            below = middle
        else:
            above = middle
    return shape.at(np.exp(below))


def _give_back(shape: _Shape, kept: np.ndarray, count: _Macs, budget: float) -> np.ndarray:
    """One step more for each group in turn, by falling weight, as long as the budget holds."""
    order = list(np.lexsort((np.arange(len(kept)), -shape.weights)))
    while order:
        still = []
        for group in order:
            more = kept.copy()
            more[group] = min(kept[group] + shape.step, shape.most[group])
            if more[group] > kept[group] and count(more) <= budget:
                kept = more
                still.append(group)
        order = still
    return kept


def _out_of_reach(network: Network, recipe: Recipe, edits: Edits | None, low: np.ndarray) -> str:
    fewest = {g.name: int(n) for g, n in zip(network.groups, low, strict=True)}
    reachable = 1 - cost_of_widths(network, fewest).macs / max(cost(network).macs, 1)
    fixed = [g.name for g, n in zip(network.groups, low, strict=True) if n == g.size]
    reasons = []
    if len(fixed) < len(network.groups):
        reasons = [f"no other group may lose more than {_percent(recipe.max_ratio)} of its filters"]
    if fixed:
        named = ", ".join(fixed[:4]) + (", …" if len(fixed) > 4 else "")
        reasons.insert(0, f"{len(fixed)} of {len(network.groups)} groups stay whole ({named})")
    if edits and edits.ratios:
        many = len(edits.ratios)
        reasons.append("1 ratio is set by hand" if many == 1 else f"{many} ratios are set by hand")
    down = np.floor(max(reachable, 0) * 1000) / 10
    return (
        f"A reduction of {_percent(recipe.target_reduction, 1)} of the MACs cannot be reached, at "
        f"most {down:.1f} %: {'; '.join(reasons)}. Lower the target, or allow more."
    )


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def why_ratio(network: Network, group: str, dispersion: float, kept: int, recipe: Recipe) -> str:
    """One sentence that says why ``group`` keeps ``kept`` of its units."""
    it = network.group(group)
    part = f"{kept} of {it.size} filters stay"
    if it.protected:
        return f"All {it.size} filters stay: {it.why}".rstrip(".") + "."
    if len(it.layers) > 1 and recipe.coupled == "protect" and kept == it.size:
        return f"All {it.size} filters stay: the recipe leaves layers that are tied together whole."
    if kept == it.size:
        return (
            f"All {it.size} filters stay: with a Kernel Dispersion of {dispersion:.2f} the target "
            "can be met elsewhere."
        )
    if recipe.allocation == "uniform":
        return f"{part}: the recipe removes the same share everywhere."
    if kept <= np.ceil((1 - recipe.max_ratio) * it.size - 1e-9):
        return (
            f"{part}: its Kernel Dispersion is only {dispersion:.2f}, and no group may lose more "
            f"than {_percent(recipe.max_ratio)}."
        )
    return (
        f"{part}: its Kernel Dispersion is {dispersion:.2f} (1 is as spread as random filters), "
        f"which to the power {recipe.gamma:g} weighs {max(dispersion, 0) ** recipe.gamma:.2f} in "
        f"sharing out {_percent(recipe.target_reduction)} fewer MACs."
    )
