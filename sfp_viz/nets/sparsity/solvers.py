"""The solver and the optimizer that a sparsifying training asks for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from sfp_viz.core.network import Network
from sfp_viz.core.training.sparsification import AULM, Sparsification
from sfp_viz.nets.sparsity.aulm import Aulm
from sfp_viz.nets.sparsity.filter_rows import Rows
from sfp_viz.nets.sparsity.frozen_rows import FrozenRows
from sfp_viz.nets.sparsity.group_lasso import GroupLasso, Scales
from sfp_viz.nets.sparsity.multi_granularity import Thinning

Solver = Aulm | GroupLasso | Thinning | FrozenRows


def solver_of(
    module: nn.Module,
    rows: Sequence[Rows],
    scales: Scales,
    network: Network,
    settings: Sparsification,
    in_epoch: int,
) -> Aulm | GroupLasso | Thinning:
    """What ``settings.method`` does to the rows of ``module``; ``in_epoch`` steps make an epoch."""
    if settings.method == "stripes":
        return Thinning(module, rows, scales, network, settings, in_epoch)
    if settings.method in AULM:
        return Aulm(module, rows, scales, network, settings)
    return GroupLasso(module, rows, scales, settings)


def optimizer_of(
    module: nn.Module, rows: Sequence[Rows], settings: Sparsification
) -> torch.optim.SGD:
    """Weight decay for what no penalty acts on; norms and biases go without."""
    held = {part.name for r in rows for part in r.parts} if settings.method != "stripes" else set()
    free, bare = [], []
    for name, parameter in module.named_parameters():
        (bare if name in held or parameter.ndim < 2 else free).append(parameter)
    groups = [
        {"params": free, "weight_decay": settings.weight_decay},
        {"params": bare, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
