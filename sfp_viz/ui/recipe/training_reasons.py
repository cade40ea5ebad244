"""Why filters go that a training made sparse: kept beside the weights, shown where they are seen.

Opened as a plan, such filters count as removed by hand. The training's own plan, beside the stored
network, says better: 'silenced during training ...', 'none of its stripes is left ...'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sfp_viz.core.network import FilterGroup
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal, plan_from_json, plan_json
from sfp_viz.core.plan.reason import Reason
from sfp_viz.errors import SfpError
from sfp_viz.files import write_whole
from sfp_viz.nets.io.model_store import stored_path
from sfp_viz.ui.cached import loaders

FILE = "trained.plan.json"  # in the folder of the stored network
_BY_HAND = Reason("by_hand")


def keep(plan: Plan) -> None:
    """Keep the plan that a training ended in beside its weights, which must be stored already."""
    write_whole(_place(plan.digest), plan_json(plan))


def known(digest: str) -> Mapping[tuple[str, int], Reason]:
    """(group, filter) -> reason, of the weights ``digest``; {} for all others."""
    try:
        file = _place(digest)
        return _read(file, file.stat().st_mtime_ns)
    except (SfpError, OSError):
        return {}


def told(removal: Removal, digest: str) -> Removal:
    """``removal`` with the training's reasons where it says no more than 'by hand'."""
    found = known(digest)
    if not found or _BY_HAND not in removal.reasons:
        return removal
    reasons = tuple(
        found.get((removal.group, unit), why) if why == _BY_HAND else why
        for unit, why in zip(removal.filters, removal.reasons, strict=True)
    )
    return replace(removal, reasons=reasons)


def in_force(edits: Edits | None) -> bool:
    """Whether ``edits`` still remove all that a training made go, of the same weights."""
    found = known(edits.digest) if edits else {}
    return bool(found) and set(found) <= set(edits.remove if edits else ())


def sentence(group: FilterGroup, kept: int, edits: Edits | None) -> str:
    """Why ``group`` keeps ``kept`` filters, where a training decided that; '' elsewhere."""
    if edits is None or not in_force(edits):
        return ""
    gone = sum(name == group.name for name, _ in known(edits.digest))
    if group.protected or kept != group.size - gone:
        return ""
    if not gone:
        return f"All {group.size:,} filters stay: training took none of them to 0."
    return f"{kept:,} of {group.size:,} filters stay: training took the other {gone:,} to 0."


@st.cache_data(max_entries=32, show_spinner=False)
def _read(file: Path, written: int) -> dict[tuple[str, int], Reason]:
    plan = plan_from_json(file.read_text(encoding="utf-8"))
    return {
        (removal.group, unit): why
        for removal in plan.removals
        for unit, why in zip(removal.filters, removal.reasons, strict=True)
    }


def _place(digest: str) -> Path:
    return stored_path(loaders.home(), digest).with_name(FILE)
