"""What a person does to one group by hand: pure functions from Edits to Edits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.redundancy import clusters
from sfp_viz.core.selection.analysis import cluster_group

Labels = tuple[int, ...]


def merged(edits: Edits, group: str, labels: Labels, units: Iterable[int]) -> Edits:
    """The clusters of ``units`` become one."""
    return edits.with_clusters(group, clusters.merge(labels, units))


def split_off(edits: Edits, group: str, labels: Labels, units: Iterable[int]) -> Edits:
    """``units`` become a cluster of their own."""
    return edits.with_clusters(group, clusters.split(labels, units))


def moved(edits: Edits, group: str, labels: Labels, units: Iterable[int], cluster: int) -> Edits:
    """``units`` go to ``cluster``."""
    return edits.with_clusters(group, clusters.move(labels, units, cluster))


def counted(problem: Problem, group: str, k: int) -> Edits:
    """The problem's edits with ``k`` clusters in place of the number that the recipe finds."""
    return problem.edits.with_clusters(group, cluster_group(problem, group, k).labels)


def fated(edits: Edits, group: str, units: Iterable[int], fate: str | None) -> Edits:
    """Fix ``units``: 'keep', 'remove', or None to leave them to the recipe."""
    for unit in units:
        edits = edits.with_filter(group, int(unit), fate)
    return edits


def keeping(edits: Edits, group: str, *, size: int, kept: int, hold: bool = False) -> Edits:
    """The group keeps ``kept`` of ``size`` units by hand, and is no longer left whole.

    The first width by hand settles whether the others make up for it (``hold``).
    """
    if not edits.ratios:
        edits = replace(edits, makeup=hold)
    return edits.with_protected(group, False).with_ratio(group, (size - kept) / size)


def untouched(edits: Edits, group: str) -> Edits:
    """Everything changed by hand on ``group`` is taken back."""
    edits = edits.with_protected(group, False).with_ratio(group, None).with_clusters(group, None)
    edits = edits.with_least(group, None).with_most(group, None)
    units = [unit for name, unit in (*edits.keep, *edits.remove) if name == group]
    return fated(edits, group, units, None)
