"""Exponential moving average of the weights: steadier than the weights themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sfp_viz.nets.forward import copy_module


class EMA:
    """An exponential moving average of all parameters and buffers of a module (Polyak 1992; as
    used by Tan and Le 2019). BatchNorm's running statistics are averaged too, counters copied.

    The decay grows with the steps n, min(decay, (1 + n) / (10 + n)), so that short trainings do
    not remember their start.

    Attributes:
        module: The averaged network.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy_module(module).requires_grad_(False)
        self._decay = decay

    def update(self, module: nn.Module, steps: int) -> None:
        """Take in the weights after a step.

        Args:
            module: The network being trained.
            steps: The number of the step, from 0; sets the decay.
        """
        decay = min(self._decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for average, value in zip(_values(self.module), _values(module), strict=True):
                if average.is_floating_point():
                    average.lerp_(value.to(average), 1 - decay)
                else:
                    average.copy_(value)


def _values(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
