"""Dead filters in sentences: how many there are, and a warning where a whole layer is dead."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.core.redundancy.dead_filters import DeadFilters
from sfp_viz.text.names import join_names

_MANY = 8  # names in a sentence


def dead_count(dead: Sequence[DeadFilters]) -> str:
    """How many filters are dead, and of which groups; '' for none."""
    groups = [group for group in dead if group.units]
    if not groups:
        return ""
    total = sum(len(group.units) for group in groups)
    names = [f"{group.group} {len(group.units):,} of {group.size:,}" for group in groups[:_MANY]]
    more = f" and {len(groups) - _MANY} more groups" if len(groups) > _MANY else ""
    are = "filter is" if total == 1 else "filters are"
    counts = f"{', '.join(names)}{more}"
    return f"{total:,} {are} dead (all weights are 0): {counts}. They are pruned first."


def dead_layers_warning(dead: Sequence[DeadFilters]) -> str:
    """What is wrong where a whole layer is dead, and what to do; '' where none is."""
    layers = [f"'{layer}'" for group in dead for layer in group.layers]
    if not layers:
        return ""
    pronoun = "them" if len(layers) > 1 else "it"
    return (
        f"Every filter of {join_names(layers, most=_MANY)} is dead, so no part of the image gets "
        f"through {pronoun}. A plan still keeps one filter, but it contributes nothing. Check that "
        "the right weights were opened, or train the network again."
    )
