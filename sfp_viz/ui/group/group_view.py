"""What the Explore page shows of one group, gathered from the rooms below."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from sfp_viz.core.evidence.evidence import missing_evidence, without_evidence
from sfp_viz.core.network import ConvLayer, FilterGroup, Network
from sfp_viz.core.plan.plan import Removal
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.clusters import representative
from sfp_viz.core.selection.analysis import GroupAnalysis
from sfp_viz.core.selection.selection import select
from sfp_viz.figures.filters.pictures import filter_pixels, input_fields
from sfp_viz.figures.filters.windows import window_of
from sfp_viz.text.plan.reasons import reason_text
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.components.filter_map import Points
from sfp_viz.ui.group.filter_maps import spread_apart
from sfp_viz.ui.recipe import training_reasons
from sfp_viz.ui.session.state import Session

SHOWN_KERNELS = 16
WHOLE_MOST = 128  # filters that set the number of clusters where all are kept: more cost time


@dataclass(frozen=True)
class GroupView:
    """One group under the session's recipe and edits.

    Attributes:
        network: The network.
        group: The group.
        layer: The layer whose kernels are shown.
        analysis: Similarity, clusters, dispersion and importance of the group.
        labels: Cluster of each filter, -1 for dead ones.
        by_hand: Whether the clusters were set manually.
        kept: Filters that the plan keeps.
        suggested: Filters that the plan keeps without edits.
        removal: The pruned filters with their reasons.
        representatives: One kept filter of each cluster; () if the recipe ranks the whole
            group.
    """

    network: Network
    group: FilterGroup
    layer: ConvLayer
    analysis: GroupAnalysis
    labels: tuple[int, ...]
    by_hand: bool
    kept: int
    suggested: int
    removal: Removal
    representatives: tuple[int, ...]

    @property
    def clusters(self) -> tuple[int, ...]:
        """The labels that occur, without the dead filters' -1."""
        return tuple(sorted({label for label in self.labels if label >= 0}))

    def note(self, unit: int) -> str:
        """One sentence on a filter: whether it is kept, and which filter is most similar."""
        reason = dict(zip(self.removal.filters, self.removal.reasons, strict=True)).get(unit)
        nearest, similarity = self.analysis.nearest[unit], self.analysis.nearest_similarity[unit]
        likeness = f"most similar to {nearest} ({similarity:.2f})"
        if self.group.size < 2:
            likeness = "the only filter"
        return f"{'kept' if reason is None else 'pruned: ' + reason_text(reason)}; {likeness}"


def usable_recipe(session: Session) -> Recipe:
    """The session's recipe; choices whose evidence is missing are replaced by weights-only ones."""
    lacks = missing_evidence(session.recipe, evidence.evidence(session.model))
    if lacks == ("latency",):
        return replace(session.recipe, goal=Recipe().goal)
    return without_evidence(session.recipe) if lacks else session.recipe


def group_view(session: Session, group: FilterGroup, layer: str) -> GroupView:
    """The view of a group; nothing is pruned without evidence or where the target is out of reach.

    Args:
        session: Model, recipe and edits.
        group: The group.
        layer: Name of its layer whose kernels are shown.
    """
    network, recipe, edits = loaders.network(session.model), usable_recipe(session), session.edits
    plain = Request(session.recipe)
    suggested = planned.widths_or_unpruned(session.model, plain).get(group.name, group.size)
    kept = planned.widths_or_unpruned(session.model, session.request).get(group.name, group.size)
    for_clusters = suggested if kept < group.size else min(suggested, WHOLE_MOST)
    analysis = planned.group_analysis(session.model, group.name, recipe, for_clusters)
    by_hand = dict(edits.clusters).get(group.name) if edits else None
    labels = by_hand or analysis.clusters.labels
    forced = {"keep": (), "remove": ()}
    for fate in forced if edits else ():
        forced[fate] = tuple(unit for name, unit in getattr(edits, fate) if name == group.name)
    removal = select(
        analysis, kept, recipe,
        labels=labels, forced_keep=forced["keep"], forced_remove=forced["remove"],
    )  # fmt: skip
    removal = training_reasons.with_training_reasons(removal, network.digest)
    pruned = set(removal.filters)
    kept_labels = tuple(-1 if unit in pruned else label for unit, label in enumerate(labels))
    clusters = set(kept_labels) if recipe.selection == "clusters" else ()
    representatives = {
        representative(kept_labels, analysis.importance, c) for c in clusters if c >= 0
    }
    return GroupView(
        network, group, network.layer(layer), analysis, tuple(labels), by_hand is not None,
        kept, suggested, removal, tuple(sorted(representatives)),
    )  # fmt: skip


def points_of(view: GroupView, places: np.ndarray) -> Points:
    """The view as points of the map.

    Args:
        view: The view of the group.
        places: Float [units, 2].
    """
    return Points(
        name=f"{view.network.digest} {view.layer.name}",
        title=view.layer.name,
        places=spread_apart(places),
        clusters=view.labels,
        notes=[view.note(unit) for unit in range(view.group.size)],
        pruned=view.removal.filters,
        representatives=view.representatives,
        pixels=pixels(view.network, view.layer.name, view.group.size),
    )


def pixels(network: Network, layer: str, units: int) -> np.ndarray:
    """Pictures of the first kernels of each unit, uint8 [units, kernels, height, width]. Kernels of
    one pixel are drawn as cells of one picture: [units, 1, rows, columns].

    Args:
        network: The network.
        layer: Name of the layer.
        units: Number of units of its group.
    """
    return _pixels(network.digest, layer, units, network)


@st.cache_resource(max_entries=256, show_spinner=False)
def _pixels(digest: str, layer: str, units: int, _network: Network) -> np.ndarray:
    conv = _network.layer(layer)
    window = window_of(_network, conv)
    if window[1:] == (1, 1):
        return np.ascontiguousarray(input_fields(conv)[:units])
    pictures = filter_pixels(conv, kernels=SHOWN_KERNELS, window=window)
    return np.ascontiguousarray(pictures[:units])
