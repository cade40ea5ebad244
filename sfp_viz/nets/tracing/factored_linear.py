"""A stand-in for large linear layers in trial cuts, whose weights would fill the memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.nets.tracing.execution import MOST_WEIGHTS

RANK = 8


class FactoredLinear(nn.Linear):
    """A linear layer whose weight is a product of two thin matrices: ``weight`` [outputs, RANK]
    times ``inputs`` [RANK, inputs]. Every output depends on every input in a way of its own."""

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight = nn.Parameter(torch.zeros(layer.out_features, RANK))
        self.inputs = nn.Parameter(torch.zeros(RANK, layer.in_features))
        self.bias = None if layer.bias is None else nn.Parameter(torch.zeros(layer.out_features))

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(F.linear(input, self.inputs), self.weight, self.bias)


def stand_ins(module: nn.Module) -> dict[nn.Module, nn.Module]:
    """A stand-in for each linear layer of more than ``MOST_WEIGHTS`` weights of its own."""
    owners: dict[int, int] = {}
    for layer in module.modules():
        for parameter in layer.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return {
        layer: FactoredLinear(layer)
        for layer in module.modules()
        if type(layer) is nn.Linear
        and layer.weight.numel() > MOST_WEIGHTS
        and owners[id(layer.weight)] == 1
    }
