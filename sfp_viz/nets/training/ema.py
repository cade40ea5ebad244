"""A running average of a training's weights: steadier than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class EMA:
    """An exponential moving average of all parameters and buffers of a module (Polyak 1992; as
    used by Tan and Le 2019). BatchNorm's running statistics are averaged too, counters copied.

    The decay grows with the steps, min(decay, (1 + n) / (10 + n)), so that short trainings do not
    remember their start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False)
        self._decay = decay

    def add(self, module: nn.Module, steps: int) -> None:
        """Take in the weights of ``module`` after ``steps`` steps."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for mean, new in zip(_values(self.module), _values(module), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(new.to(mean), 1 - decay)
                else:
                    mean.copy_(new)


def _values(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
