"""The plan that a sparse training ends in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sfp_viz.core.cost.cost import all_tied
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason, small_norm
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.training.sparsification import SparseSettings
from sfp_viz.errors import PlanError


def sparse_groups(network: Network, settings: SparseSettings) -> tuple[str, ...]:
    """Groups whose filters a sparse training may prune; tied ones only if the settings say so.

    Args:
        network: The reading of the network.
        settings: How it is made sparse.

    Raises:
        PlanError: There are none.
    """
    coupled = settings.coupled or all_tied(network)
    names = [g.name for g in network.free if coupled or len(g.layers) == 1]
    if not names and settings.method != "stripes":
        advice = "Set coupled, to include tied layers" if network.free else "Choose another network"
        raise PlanError(f"No filter group of '{network.name}' may be made sparse. {advice}.")
    return tuple(names)


def sparse_plan(
    network: Network,
    live: Mapping[str, np.ndarray],
    norms: Mapping[str, np.ndarray],
    settings: SparseSettings,
    removed_early: Mapping[str, np.ndarray],
) -> Plan:
    """The plan that removes what is not ``live``.

    Its recipe and edits name the same filters, so that a plan made of them again is this one, with
    the reason 'by_hand'.

    Args:
        network: The reading of the trained network.
        live: Filters that are kept: bool [units] by group.
        norms: Norms of the rows: [units] by group.
        settings: How it was made sparse.
        removed_early: For stripes, filters that were removed at filter level: bool [units] by
            group.
    """
    removals, edits = [], []
    for group in network.groups:
        if group.name not in live or live[group.name].all():
            continue
        kept, norm = live[group.name], norms[group.name]
        mean = float(norm[kept].mean())
        pruned = np.flatnonzero(~kept).tolist()
        if settings.method == "stripes":
            early = removed_early.get(group.name, np.zeros(len(kept), dtype=bool))
            reasons = [Reason("silenced_filter" if early[u] else "no_stripe") for u in pruned]
        else:
            hint = 1e-5 * mean  # rows at 0 in the copy carry only a hint of their weights
            reasons = [
                small_norm(settings.method, 0.0 if norm[u] < hint else float(norm[u]), mean)
                for u in pruned
            ]
        removals.append(Removal(group.name, tuple(pruned), tuple(reasons)))
        edits += [(group.name, unit) for unit in pruned]
    return Plan(
        network.digest,
        Recipe(target_reduction=0.0, seed=settings.seed),
        Edits(network.digest, remove=tuple(edits)),
        tuple(removals),
    )
