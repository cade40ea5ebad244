"""What to keep in mind about published results, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from sfp_viz.core.comparison.published import Caveat, Origin, Published

CAVEATS = (
    "Other people's networks: baselines, trainings, schedules and ways to count FLOPs differ, so "
    "only changes are drawn, against the share that was saved. Absolute accuracies are not drawn.",
    "They are not measured here. Each is one number of a paper or a README, without an interval.",
    "The similarity-based SFP has no row: its tables were not available. 'Soft filter pruning' is "
    "the method of He et al. 2018.",
)
_ORIGINS: Mapping[Origin, str] = {
    "own": "Reported by the method's authors.",
    "third-party": "Reprinted by others, not by the method's authors.",
}
_CAVEATS: Mapping[Caveat, str] = {
    "change_only": "The source prints the change alone, without both accuracies.",
    "from_image": "Read by eye from an image of a table.",
    "from_row_order": "Whether it was trained from scratch follows from the order of rows.",
}


def row_caveats(row: Published) -> tuple[str, ...]:
    """What to keep in mind about a row, in sentences."""
    note = (f"{row.note}.",) if row.note else ()
    return (_ORIGINS[row.origin], *(_CAVEATS[caveat] for caveat in row.caveats), *note)
