"""From the filters of one layer to every channel that goes with them, along a traced graph.

Torch-Pruning's own walk returns to a node for every new list of channels, which does not end in
reasonable time where channels are shifted inside a loop (padding, rolling or slicing beside a
residual add). This one visits each channel of each node once, so its work is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Index(NamedTuple):
    """A channel here, and the filter of the first layer that it goes with."""

    idx: int
    root_idx: int


@dataclass(frozen=True)
class Item:
    """What is cut at one node: ``target`` node, ``handler`` of the cut, channels with filters."""

    target: Any
    handler: Any
    found: dict[int, int] = field(default_factory=dict)

    @property
    def channels(self) -> list[int]:
        return list(self.found)

    @property
    def roots(self) -> list[int]:
        return list(self.found.values())


def walk(node: Any, handler: Any, width: int, limit: int) -> list[Item]:
    """Everything tied to the ``width`` channels that ``handler`` cuts at ``node``, itself first.

    Channels from ``limit`` on, which no module has, are not followed: shifts in a loop would
    count them up for ever. Where a channel is met twice, the filter it was first met with
    counts; what is tied in two ways is found by the checks behind.
    """
    items: dict[tuple[Any, Any], Item] = {}
    waiting = [(node, handler, [Index(channel, channel) for channel in range(width)])]
    while waiting:
        node, handler, indices = waiting.pop()
        item = items.setdefault((node, handler), Item(node, handler))
        new = [index for index in indices if index.idx < limit and index.idx not in item.found]
        item.found.update({index.idx: index.root_idx for index in reversed(new)})
        for dependency in node.dependencies if new else ():
            if not dependency.is_triggered_by(handler):
                continue
            moved: Any = new
            for mapping in dependency.index_mapping:
                moved = mapping(moved) if mapping is not None else moved
            if moved:
                waiting.append((dependency.target, dependency.handler, moved))
    return list(items.values())
