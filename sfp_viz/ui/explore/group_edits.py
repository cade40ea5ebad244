"""Manual changes of one group: pure functions from Edits to Edits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.redundancy import clusters
from sfp_viz.core.selection.analysis import cluster_group

Labels = tuple[int, ...]


def merge(edits: Edits, group: str, labels: Labels, units: Iterable[int]) -> Edits:
    """Edits in which the clusters of ``units`` are one.

    Args:
        edits: The manual edits.
        group: Name of the group.
        labels: Cluster of each filter.
        units: Numbers of the filters.
    """
    return edits.with_clusters(group, clusters.merge(labels, units))


def split(edits: Edits, group: str, labels: Labels, units: Iterable[int]) -> Edits:
    """Edits in which ``units`` are a separate cluster.

    Args:
        edits: The manual edits.
        group: Name of the group.
        labels: Cluster of each filter.
        units: Numbers of the filters.
    """
    return edits.with_clusters(group, clusters.split(labels, units))


def move(edits: Edits, group: str, labels: Labels, units: Iterable[int], cluster: int) -> Edits:
    """Edits in which ``units`` belong to ``cluster``.

    Args:
        edits: The manual edits.
        group: Name of the group.
        labels: Cluster of each filter.
        units: Numbers of the filters.
        cluster: Number of the cluster.
    """
    return edits.with_clusters(group, clusters.move(labels, units, cluster))


def with_cluster_count(problem: Problem, group: str, k: int) -> Edits:
    """The problem's edits with ``k`` clusters of a group instead of the suggested number.

    Args:
        problem: Network, request and evidence.
        group: Name of the group.
        k: Number of clusters, at least 1.
    """
    return problem.edits.with_clusters(group, cluster_group(problem, group, k).labels)


def set_fate(edits: Edits, group: str, units: Iterable[int], fate: str | None) -> Edits:
    """Edits in which ``units`` are always kept or always removed.

    Args:
        edits: The manual edits.
        group: Name of the group.
        units: Numbers of the filters.
        fate: 'keep', 'remove', or None to leave them to the recipe.
    """
    for unit in units:
        edits = edits.with_filter(group, int(unit), fate)
    return edits


def with_width(edits: Edits, group: str, *, size: int, kept: int, hold: bool = False) -> Edits:
    """A manual width of a group, which lifts its protection from pruning.

    Args:
        edits: The edits so far.
        group: Name of the group.
        size: Units of the group.
        kept: Units to keep, 1..size.
        hold: Whether the other groups adjust so that the target is still met; decided by the
            first manual width alone.
    """
    if not edits.ratios:
        edits = replace(edits, makeup=hold)
    return edits.with_protected(group, False).with_ratio(group, (size - kept) / size)


def reset(edits: Edits, group: str) -> Edits:
    """Edits without any manual change of the group.

    Args:
        edits: The manual edits.
        group: Name of the group.
    """
    edits = edits.with_protected(group, False).with_ratio(group, None).with_clusters(group, None)
    edits = edits.with_least(group, None).with_most(group, None)
    units = [unit for name, unit in (*edits.keep, *edits.remove) if name == group]
    return set_fate(edits, group, units, None)
