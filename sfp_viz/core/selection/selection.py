"""Which filters of a group are removed, each with its reason (docs/method.md, our reading)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from sfp_viz.core.plan.plan import Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.redundancy.importance import ranks
from sfp_viz.core.redundancy.similarity import distance
from sfp_viz.core.selection.analysis import GroupAnalysis
from sfp_viz.errors import PlanError

# From this similarity on a filter is 'redundant': a cosine of 0.5, or, for euclidean, half the
# median distance (our reading).
REDUNDANT = {
    "cosine": 0.5,
    "correlation": 0.5,
    "activation": 0.5,
    "euclidean": float(np.exp(-1 / 8)),
}
_BY_CRITERION = {"random": Reason("random"), "reconstruction": Reason("reconstructed")}
_EPS = 0.05  # weight of a cluster without any spread
_DIGITS = 6  # of what is compared; what lies below is rounding of float32, and goes by importance


def select(
    analysis_group: GroupAnalysis,
    keep: int,
    recipe: Recipe,
    *,
    labels: Sequence[int] | None = None,
    forced_keep: Collection[int] = (),
    forced_remove: Collection[int] = (),
) -> Removal:
    """Choose the filters to remove, so that exactly ``keep`` are kept; at least one.

    Dead filters are removed first. A filter removed from inside a cluster has, instead of
    'unimportant', the reason that decided there: the importance, the distance, or the quota.

    Args:
        analysis_group: Similarities, clusters and importances of the group.
        keep: Units to keep; fixed units override it.
        recipe: How filters are selected, and by which criterion.
        labels: Clusters that replace those of the analysis, one label a unit.
        forced_keep: Units that are kept whatever the recipe says.
        forced_remove: Units that are removed whatever the recipe says.

    Raises:
        PlanError: The fixed units or the labels do not fit the group.
    """
    size = len(analysis_group.importance)
    stay, gone = set(forced_keep), set(forced_remove)
    if stay & gone or len(gone) >= size or any(not 0 <= u < size for u in stay | gone):
        raise PlanError(
            f"The filters fixed by hand in '{analysis_group.group}' do not fit its {size} "
            "filters, or leave none."
        )
    keep = min(max(keep, 1, len(stay)), size - len(gone))
    names = _checked(analysis_group, labels)
    kept = _kept(analysis_group, keep, recipe, names, stay, gone)
    out = tuple(unit for unit in range(size) if unit not in kept)
    order = sorted(kept)
    inside = _inside(analysis_group, names, kept, stay)
    reasons = tuple(_reason(analysis_group, unit, order, recipe, gone, inside) for unit in out)
    return Removal(analysis_group.group, out, reasons)


def _checked(analysis: GroupAnalysis, labels: Sequence[int] | None) -> np.ndarray:
    own = np.array(analysis.clusters.labels)
    if labels is None:
        return own
    by_hand = np.array(labels)
    if by_hand.shape != own.shape or ((by_hand < 0) & (own >= 0)).any():
        raise PlanError(
            f"The manual clusters of '{analysis.group}' do not have one label for each of its "
            f"{len(own)} filters. Undo that edit."
        )
    return np.where(own < 0, -1, by_hand)


def _kept(
    analysis: GroupAnalysis,
    keep: int,
    recipe: Recipe,
    names: np.ndarray,
    stay: set[int],
    gone: set[int],
) -> set[int]:
    """The units that stay: fixed ones, then live ones as the recipe picks, then dead ones."""
    score = ranks(analysis.importance)
    dead = [u for u in range(len(names)) if names[u] < 0 and u not in stay | gone]
    kept = {u for u in stay if names[u] < 0}
    free = [u for u in range(len(names)) if names[u] >= 0 and u not in gone]
    wanted = min(keep - len(kept), len(free))
    fixed = {u for u in stay if names[u] >= 0}
    if recipe.selection == "ranking":
        by_rank = sorted(free, key=lambda u: (u not in fixed, -score[u]))
        kept |= set(by_rank[:wanted])
    else:
        apart = distance(analysis.similarity, recipe.similarity)
        members = [[u for u in free if names[u] == c] for c in np.unique(names[free])]
        for cluster, quota in zip(
            members, _quotas(members, apart, score, wanted, fixed), strict=True
        ):
            kept |= _pick(cluster, quota, apart, score, recipe.balance, fixed)
    return kept | set(dead[: keep - len(kept)])


def _quotas(
    members: list[list[int]], apart: np.ndarray, score: np.ndarray, wanted: int, fixed: set[int]
) -> list[int]:
    """How many each cluster keeps: one each by importance, the rest by size times spread; of
    equal remainders the cluster with the most important filter has the larger."""
    sizes = np.array([len(units) for units in members])
    quotas = np.array([sum(u in fixed for u in units) for units in members])
    best = np.array([score[units].max() for units in members])
    for cluster in np.argsort(-best, kind="stable"):
        if quotas[cluster] == 0 and quotas.sum() < wanted:
            quotas[cluster] = 1
    exact = np.round(apart.astype(np.float64), _DIGITS)
    weights = sizes * (_EPS + np.array([_spread(exact[np.ix_(units, units)]) for units in members]))
    while (missing := wanted - int(quotas.sum())) > 0:
        free = sizes - quotas
        share = np.round(missing * weights * (free > 0) / weights[free > 0].sum(), _DIGITS)
        more = np.minimum(np.floor(share).astype(int), free)
        left = missing - int(more.sum())
        by_remainder = np.lexsort((-best, np.round(np.floor(share) - share, _DIGITS)))
        for cluster in [c for c in by_remainder if free[c] > more[c]][:left]:
            more[cluster] += 1
        quotas = quotas + more
    return [int(q) for q in quotas]


def _spread(apart: np.ndarray) -> float:
    """Mean distance to the medoid, the member nearest to all others."""
    return float(apart[apart.sum(axis=1).argmin()].mean())


def _pick(
    cluster: list[int],
    quota: int,
    apart: np.ndarray,
    score: np.ndarray,
    balance: float,
    fixed: set[int],
) -> set[int]:
    """Greedy: the most important, then balance * importance + (1 - balance) * distance, the more
    important of equals."""
    units = np.array(cluster)
    local = apart[np.ix_(units, units)]
    widest = local.max() or 1.0
    taken = np.array([u in fixed for u in cluster])
    if quota > 0 and not taken.any():
        taken[score[units].argmax()] = True
    near = local[:, taken].min(axis=1, initial=np.inf)
    while taken.sum() < quota:
        value = np.round(balance * score[units] + (1 - balance) * near / widest, _DIGITS)
        best = int(np.lexsort((-score[units], -np.where(taken, -np.inf, value)))[0])
        taken[best] = True
        near = np.minimum(near, local[:, best])
    return {int(u) for u in units[taken]}


def _inside(
    analysis: GroupAnalysis, names: np.ndarray, kept: set[int], stay: set[int]
) -> list[Reason]:
    """What decided inside each unit's cluster, for units that are removed: what a less important
    unit of the same cluster that is kept has ahead of it can only be its distance."""
    worth, reasons = analysis.importance, []
    for unit, name in enumerate(names):
        mates = [u for u in kept if names[u] == name]
        least = min((worth[u] for u in mates if u not in stay), default=None)
        if not mates:
            reasons.append(Reason("cluster_without_place"))
        elif least is None:
            reasons.append(Reason("cluster_kept_by_hand"))
        else:
            reasons.append(Reason("less_important" if worth[unit] <= least else "nearer"))
    return reasons


def _reason(
    analysis: GroupAnalysis,
    unit: int,
    kept: list[int],
    recipe: Recipe,
    gone: set[int],
    inside: list[Reason],
) -> Reason:
    if unit in gone:
        return Reason("by_hand")
    if analysis.clusters.labels[unit] < 0:
        return Reason("dead")
    alike = analysis.similarity[unit, kept]
    if recipe.selection == "clusters" and alike.max() >= REDUNDANT[recipe.similarity]:
        return Reason("redundant", other=kept[int(alike.argmax())])
    if recipe.selection == "clusters" and recipe.criterion != "random":
        return inside[unit]
    return _BY_CRITERION.get(recipe.criterion, Reason("unimportant"))
