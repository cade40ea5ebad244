"""Why sparse training removed filters: saved beside the weights, shown with the filters.

Opened as a plan, such filters count as removed manually. The plan of the training, beside the
stored network, has the real reasons, such as 'silenced during training, ...'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal, plan_from_json, plan_to_json
from sfp_viz.core.plan.reason import Reason
from sfp_viz.errors import SfpError
from sfp_viz.files import write_text
from sfp_viz.nets.io.model_store import stored_path
from sfp_viz.ui.cached import loaders

FILE = "trained.plan.json"  # in the folder of the stored network
_BY_HAND = Reason("by_hand")


def save(plan: Plan) -> None:
    """Save the plan that a sparse training ended in beside its weights, which must be stored."""
    write_text(_path(plan.digest), plan_to_json(plan))


def reasons_of(digest: str) -> Mapping[tuple[str, int], Reason]:
    """(group, filter) -> reason, of the weights ``digest``; {} for all others."""
    try:
        file = _path(digest)
        return _read(file, file.stat().st_mtime_ns)
    except (SfpError, OSError):
        return {}


def with_training_reasons(removal: Removal, digest: str) -> Removal:
    """The removal with the reasons of the sparse training in place of 'removed manually'.

    Args:
        removal: The pruned filters of a group.
        digest: Digest of the weights.
    """
    reasons_by_filter = reasons_of(digest)
    if not reasons_by_filter or _BY_HAND not in removal.reasons:
        return removal
    reasons = tuple(
        reasons_by_filter.get((removal.group, unit), reason) if reason == _BY_HAND else reason
        for unit, reason in zip(removal.filters, removal.reasons, strict=True)
    )
    return replace(removal, reasons=reasons)


def applies_to(edits: Edits | None) -> bool:
    """Whether the edits still remove all filters that a training removed, of the same weights."""
    reasons = reasons_of(edits.digest) if edits else {}
    return bool(reasons) and set(reasons) <= set(edits.remove if edits else ())


def sentence(group: FilterGroup, kept: int, edits: Edits | None) -> str:
    """Why a group keeps its filters if sparse training decided it, in a sentence; else ''.

    Args:
        group: The group.
        kept: Units kept.
        edits: The manual edits, None for none.
    """
    if edits is None or not applies_to(edits):
        return ""
    removed = sum(name == group.name for name, _ in reasons_of(edits.digest))
    if group.protected or kept != group.size - removed:
        return ""
    if not removed:
        return f"All {group.size:,} filters are kept: sparse training silenced none of them."
    return f"{kept:,} of {group.size:,} filters are kept: sparse training silenced the others."


@st.cache_data(max_entries=32, show_spinner=False)
def _read(file: Path, written: int) -> dict[tuple[str, int], Reason]:
    plan = plan_from_json(file.read_text(encoding="utf-8"))
    return {
        (removal.group, unit): reason
        for removal in plan.removals
        for unit, reason in zip(removal.filters, removal.reasons, strict=True)
    }


def _path(digest: str) -> Path:
    return stored_path(loaders.home(), digest).with_name(FILE)
