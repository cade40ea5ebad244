"""From the filters of one layer to every channel that goes with them, along a traced graph.

Torch-Pruning's own traversal returns to a node for every new list of channels, which does not
end in reasonable time where channels are shifted inside a loop (padding, rolling or slicing
beside a residual add). This one visits each channel of each node once, so its work is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class ChannelIndex(NamedTuple):
    """A channel of a node, and the filter of the first layer that it belongs to. Torch-Pruning's
    mappings read these field names."""

    idx: int
    root_idx: int


@dataclass(frozen=True)
class NodeChannels:
    """Channels cut at one node of the graph.

    Attributes:
        target: The node.
        handler: Torch-Pruning's function that cuts it.
        filters: The filter of the first layer, by channel.
    """

    target: Any
    handler: Any
    filters: dict[int, int] = field(default_factory=dict)

    @property
    def channels(self) -> list[int]:
        return list(self.filters)

    @property
    def roots(self) -> list[int]:
        return list(self.filters.values())


def propagate(node: Any, handler: Any, width: int, limit: int) -> list[NodeChannels]:
    """Everything tied to the ``width`` channels that ``handler`` cuts at ``node``, itself first.

    Channels from ``limit`` on, which no module has, are not followed: shifts in a loop would
    count them up for ever. A channel that is met twice keeps its first filter; later checks
    reject what is tied in two ways.

    Args:
        node: The node of the first layer.
        handler: The function that cuts its outputs.
        width: Its number of outputs.
        limit: Channels from here on are not followed.
    """
    visited: dict[tuple[Any, Any], NodeChannels] = {}
    pending = [(node, handler, [ChannelIndex(channel, channel) for channel in range(width)])]
    while pending:
        node, handler, indices = pending.pop()
        node_channels = visited.setdefault((node, handler), NodeChannels(node, handler))
        new = [
            index
            for index in indices
            if index.idx < limit and index.idx not in node_channels.filters
        ]
        node_channels.filters.update({index.idx: index.root_idx for index in reversed(new)})
        for dependency in node.dependencies if new else ():
            if not dependency.is_triggered_by(handler):
                continue
            mapped: Any = new
            for mapping in dependency.index_mapping:
                mapped = mapping(mapped) if mapping is not None else mapped
            if mapped:
                pending.append((dependency.target, dependency.handler, mapped))
    return list(visited.values())
