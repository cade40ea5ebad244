"""Weights without a network: what a file holds whose architecture is unknown. They can be looked
at, but not run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sfp_viz.errors import ModelError

BARE = "bare_weights"  # in place of an architecture's name


class BareWeights(nn.Module):
    """The entries of a file by name; running it raises ModelError.

    Args:
        state: Tensors by name; those of floats are held in float32.
        reason: Why they are not a network, as a sentence.
    """

    def __init__(self, state: Mapping[str, Tensor], reason: str) -> None:
        super().__init__()
        self.tensors = {
            name: tensor.detach().float().contiguous() if tensor.is_floating_point() else tensor
            for name, tensor in state.items()
        }
        self.reason = reason

    def state_dict(self, *_: Any, **__: Any) -> OrderedDict[str, Tensor]:  # type: ignore[override]
        """The entries themselves."""
        return OrderedDict(self.tensors)

    def forward(self, _: Tensor) -> Tensor:
        raise ModelError(f"Weights alone cannot be run. {self.reason}")


def has_filters(state: Mapping[str, Tensor]) -> bool:
    """Whether there are convolutions with at least two filters to compare, not all of zeros."""
    return any(
        tensor.ndim == 4 and tensor.is_floating_point() and len(tensor) > 1
        and torch.isfinite(tensor).all() and tensor.any()
        for tensor in state.values()
    )  # fmt: skip
