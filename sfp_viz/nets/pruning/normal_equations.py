"""Least squares with an offset and a ridge, from rows that come in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Fit:
    """``weights`` [targets, inputs] and ``offset`` [targets] that give the targets best. Over all
    rows, summed squares: ``before`` the targets themselves, ``after`` what is left of them, and
    ``penalty``, the ridge term; after + penalty <= before."""

    weights: Tensor
    offset: Tensor
    before: float
    after: float
    penalty: float


class Equations:
    """Normal equations of targets on inputs, float64; memory does not grow with the rows."""

    def __init__(self, inputs: int, targets: int) -> None:
        self.rows, self._inputs = 0, inputs
        self._first = torch.zeros(inputs + targets, dtype=torch.float64)
        self._square = torch.zeros(inputs, inputs, dtype=torch.float64)
        self._cross = torch.zeros(inputs, targets, dtype=torch.float64)
        self._power = torch.zeros(targets, dtype=torch.float64)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Rows of inputs [rows, inputs] and what they shall give [rows, targets]."""
        given, wanted = inputs.double(), targets.double()
        self.rows += len(given)
        self._first += torch.cat([given.sum(0), wanted.sum(0)]).cpu()
        self._square += (given.T @ given).cpu()
        self._cross += (given.T @ wanted).cpu()
        self._power += wanted.square().sum(0).cpu()

    def solve(self, ridge: float) -> Fit:
        """Solve (C + r I) weights^T = Cov(inputs, targets), with C = Cov(inputs, inputs) and
        r = ridge * trace(C) / inputs; the offset makes the means meet. ``ridge`` > 0."""
        mean = self._first[: self._inputs] / self.rows
        aim = self._first[self._inputs :] / self.rows
        square = self._square / self.rows - torch.outer(mean, mean)
        cross = self._cross / self.rows - torch.outer(mean, aim)
        level = ridge * float(square.trace()) / max(1, self._inputs)
        weights = torch.zeros_like(cross.T)
        if level > 0:  # else the inputs never change, and tell nothing
            weights = torch.linalg.solve(square + level * torch.eye(len(square)).double(), cross).T
        power = self._power.sum() / self.rows
        left = power - aim.square().sum() - 2 * (weights.T * cross).sum()
        left = (left + (weights @ square * weights).sum()).clamp_min(0)
        parts = (power, left, level * weights.square().sum())
        return Fit(weights, aim - weights @ mean, *(self.rows * float(part) for part in parts))
