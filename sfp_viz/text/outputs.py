"""What a network gives for an image, where that is not one score per class, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.core.network import Network
from sfp_viz.text.names import join_names

NO_SCORES = (
    "This network does not give one score per class, so its accuracy is not measured and it is not "
    "trained here. Everything else works: explore, plan, prune, latency and export."
)


def outputs_sentence(network: Network) -> str:
    """'It gives out (21 × 64 × 64) and aux (21 × 64 × 64) for each image.'; '' for a classifier."""
    if not network.outputs:
        return ""
    if [name for name, _ in network.outputs] == ["output"]:
        return f"It gives {_shape(network.outputs[0][1]) or 'one number'} values for each image."
    names = [f"{name}{_in_brackets(shape)}" for name, shape in network.outputs]
    return f"It gives {join_names(names)} for each image."


def _in_brackets(shape: Sequence[int]) -> str:
    return f" ({_shape(shape)})" if shape else ""


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
