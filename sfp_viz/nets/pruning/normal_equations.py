"""Least squares with an offset and a ridge, from rows that come in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Solution:
    """The ``weights`` [targets, inputs] and ``offset`` [targets] that give the targets best.

    Squared and summed over all rows: ``before`` is the targets themselves, ``after`` the
    residuals; ``penalty`` is the ridge term, and after + penalty <= before.
    """

    weights: Tensor
    offset: Tensor
    before: float
    after: float
    penalty: float


class NormalEquations:
    """Normal equations of targets on inputs, float64; memory does not grow with the rows."""

    def __init__(self, inputs: int, targets: int) -> None:
        self.rows, self._inputs = 0, inputs
        self._sums = torch.zeros(inputs + targets, dtype=torch.float64)
        self._gram = torch.zeros(inputs, inputs, dtype=torch.float64)
        self._cross = torch.zeros(inputs, targets, dtype=torch.float64)
        self._squares = torch.zeros(targets, dtype=torch.float64)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Add rows.

        Args:
            inputs: [rows, inputs].
            targets: What the inputs should give, [rows, targets].
        """
        inputs, targets = inputs.double(), targets.double()
        self.rows += len(inputs)
        self._sums += torch.cat([inputs.sum(0), targets.sum(0)]).cpu()
        self._gram += (inputs.T @ inputs).cpu()
        self._cross += (inputs.T @ targets).cpu()
        self._squares += targets.square().sum(0).cpu()

    def solve(self, ridge: float) -> Solution:
        """Solve (C + r I) weights^T = Cov(inputs, targets), with C = Cov(inputs, inputs) and
        r = ridge * trace(C) / inputs; the offset makes the means equal. ``ridge`` > 0."""
        mean = self._sums[: self._inputs] / self.rows
        target_mean = self._sums[self._inputs :] / self.rows
        covariance = self._gram / self.rows - torch.outer(mean, mean)
        cross = self._cross / self.rows - torch.outer(mean, target_mean)
        level = ridge * float(covariance.trace()) / max(1, self._inputs)
        weights = torch.zeros_like(cross.T)
        if level > 0:  # else the inputs never change, and explain nothing
            regular = covariance + level * torch.eye(len(covariance)).double()
            weights = torch.linalg.solve(regular, cross).T
        before = self._squares.sum() / self.rows
        after = before - target_mean.square().sum() - 2 * (weights.T * cross).sum()
        after = (after + (weights @ covariance * weights).sum()).clamp_min(0)
        means = (before, after, level * weights.square().sum())
        return Solution(
            weights, target_mean - weights @ mean, *(self.rows * float(value) for value in means)
        )
