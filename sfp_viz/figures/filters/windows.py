"""What one filter looks at: its window on its inputs, also where a reading has flattened them."""

from __future__ import annotations

from math import isqrt

from sfp_viz.core.network import ConvLayer, Network

Shape = tuple[int, int, int]  # channels, height, width


def window_of(network: Network, layer: ConvLayer) -> Shape:
    """(channels, height, width) of one filter.

    A neuron's inputs that are flattened square maps are told as those maps: 192 inputs behind 48
    maps of 2 x 2 pixels are (48, 2, 2). That holds where the groups they come from can be cut,
    since then the order of the inputs was checked on a copy; else it is (inputs, 1, 1).

    Args:
        network: The network.
        layer: One of its layers.
    """
    channels, height, width = (int(side) for side in layer.weight.shape[1:])
    terms = [term for term in network.terms if term.owner == layer.name]
    if not layer.neurons or len({term.ins for term in terms}) != 1:
        return channels, height, width
    ins = terms[0].ins
    pixels = {factor for _, factor in ins}
    side = isqrt(min(pixels)) if len(pixels) == 1 else 0
    checked = all(name and not network.group(name).protected for name, _ in ins)
    if side > 1 and side * side in pixels and checked:
        maps = sum(network.group(name).width for name, _ in ins)
        if maps * side * side == channels:
            return maps, side, side
    return channels, height, width


def size_words(network: Network, layer: ConvLayer) -> str:
    """One filter's size as people write it: '20 × 3 × 3', or '1,024 inputs' where none has a
    place.

    Args:
        network: The network.
        layer: One of its layers.
    """
    window = window_of(network, layer)
    if layer.neurons and window[1:] == (1, 1):
        return f"{window[0]:,} inputs"
    return " × ".join(str(side) for side in window)
