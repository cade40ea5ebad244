"""Dead filters in sentences: how many there are, and a warning where a whole layer is dead."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.core.redundancy.dead_filters import DeadFilters
from sfp_viz.text.names import join_names

_MANY = 8  # names in a sentence


def dead_count(found: Sequence[DeadFilters]) -> str:
    """How many filters are dead, and of which groups; '' for none."""
    groups = [one for one in found if one.units]
    if not groups:
        return ""
    total = sum(len(one.units) for one in groups)
    names = [f"{one.group} {len(one.units):,} of {one.size:,}" for one in groups[:_MANY]]
    more = f" and {len(groups) - _MANY} more groups" if len(groups) > _MANY else ""
    are = "filter is" if total == 1 else "filters are"
    counts = f"{', '.join(names)}{more}"
    return f"{total:,} {are} dead (all weights are 0): {counts}. They are pruned first."


def dead_layers_warning(found: Sequence[DeadFilters]) -> str:
    """What is wrong where a whole layer is dead, and what to do; '' where none is."""
    layers = [f"'{layer}'" for one in found for layer in one.layers]
    if not layers:
        return ""
    them = "them" if len(layers) > 1 else "it"
    return (
        f"Every filter of {join_names(layers, most=_MANY)} is dead, so nothing of the image gets "
        f"through {them}. A plan still keeps one filter, which is worth nothing. Check whether the "
        "right weights were opened, or train the network again."
    )
