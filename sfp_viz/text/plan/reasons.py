"""Why a filter is removed, in words."""

from __future__ import annotations

from collections.abc import Mapping

from sfp_viz.core.plan.reason import Reason, ReasonKind
from sfp_viz.core.training.sparsification import METHOD_NAMES

_WORDS: Mapping[ReasonKind, str] = {
    "by_hand": "removed manually",
    "dead": "dead",
    "reconstructed": "the others can replace it in the next layers",
    "random": "chosen at random",
    "unimportant": "unimportant",
    "less_important": "no more important than the filters kept in its cluster",
    "nearer": "closer to the filters kept in its cluster",
    "cluster_without_place": "its cluster keeps no filter",
    "cluster_kept_by_hand": "filters kept manually fill its cluster",
    "silenced_filter": "silenced during training, as a whole filter (multi-granularity)",
    "no_stripe": "none of its stripes is left (multi-granularity)",
}


def reason_text(reason: Reason) -> str:
    """Why a filter is removed, in a few words: 'redundant with 37'."""
    if reason.kind == "redundant":
        return f"redundant with {reason.other}"
    method = METHOD_NAMES.get(reason.detail, reason.detail)
    if reason.kind == "silenced":
        return f"silenced during training ({method})"
    if reason.kind == "small_norm":
        share = f"{100 * (reason.value or 0.0):.2g}"
        return f"{share} % of the mean norm of the kept filters ({method})"
    return _WORDS.get(reason.kind, reason.detail)
