"""Why a filter is removed, as a record; text/plan/reasons.py says it in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sfp_viz.errors import PlanError

ReasonKind = Literal[
    "by_hand",
    "dead",
    "redundant",
    "reconstructed",
    "random",
    "unimportant",
    "less_important",
    "nearer",
    "cluster_without_place",
    "cluster_kept_by_hand",
    "silenced",
    "small_norm",
    "silenced_filter",
    "no_stripe",
    "text",
]


@dataclass(frozen=True)
class Reason:
    """Why a filter is removed: ``kind``, and the numbers that belong to it.

    ``other``: the most similar kept filter ('redundant'). ``value``: the share 0..1 of the mean
    norm of the kept filters ('small_norm'). ``detail``: the sparsification method ('silenced',
    'small_norm'), or the sentence of an earlier version that has no kind of its own ('text').

    Inside a cluster, 'less_important' and 'nearer' (to the kept filters) say what decided,
    'cluster_without_place' that the cluster keeps no filter, 'cluster_kept_by_hand' that filters
    kept by hand take its places. 'reconstructed': the others make up for it (criterion
    'reconstruction'). 'silenced' to 'no_stripe' are results of sparse training; 'silenced_filter'
    and 'no_stripe' are the two levels of multi-granularity pruning.
    """

    kind: ReasonKind
    other: int | None = None
    value: float | None = None
    detail: str = ""


def small_norm(method: str, norm: float, mean: float) -> Reason:
    """The reason of a filter that ``method`` made sparse.

    Args:
        method: Name of the sparsification method.
        norm: Norm of the filter at the end, with its bias and norm scale.
        mean: Mean norm of the kept filters of its group.
    """
    if norm == 0:
        return Reason("silenced", detail=method)
    share = float(f"{norm / mean:.2g}") if mean else 0.0  # two digits: that much is said
    return Reason("small_norm", value=share, detail=method)


def reason_to_dict(reason: Reason) -> dict[str, Any]:
    """The reason as a JSON object; fields that say nothing are left out."""
    value: dict[str, Any] = {"kind": reason.kind}
    if reason.other is not None:
        value["other"] = reason.other
    if reason.value is not None:
        value["value"] = reason.value
    if reason.detail:
        value["detail"] = reason.detail
    return value


def reason_from_dict(value: Mapping[str, Any]) -> Reason:
    """The reason in a JSON object that was read already.

    Raises:
        PlanError: The kind is not known, or a field is none of a reason.
    """
    kinds = {name: name for name in get_args(ReasonKind)}
    kind = kinds.get(value["kind"])
    if kind is None or set(value) - {"kind", "other", "value", "detail"}:
        raise PlanError(f"This is no plan of ours: '{value['kind']}' is no reason that it knows.")
    other, share = value.get("other"), value.get("value")
    return Reason(
        kind,
        None if other is None else int(other),
        None if share is None else float(share),
        str(value.get("detail", "")),
    )
