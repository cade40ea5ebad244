"""The group lasso without a copy: SGD on loss plus penalty, or proximal SGD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sfp_viz.core.training.proximal import keep_one, shrink_factors
from sfp_viz.core.training.sparsification import GroupLasso, ProximalLasso
from sfp_viz.nets.sparsity.solver import PenaltySolver

Lasso = TypeVar("Lasso", GroupLasso, ProximalLasso)


class _LassoSolver(PenaltySolver[Lasso]):
    """The penalty sum of lambda ||V|| over the rows V of ``module``."""

    _cutoff = 0.0  # rows up to this share of their group's largest count as 0

    def _prepare(self) -> None:
        self._noted: set[str] = set()  # groups with one filter left

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Sentences about groups that have come down to one filter."""
        single = {name for name, live in self.live().items() if live.sum() == 1 < len(live)}
        added, self._noted = single - self._noted, single
        return tuple(
            f"The penalty leaves '{name}' one filter, its largest. Lower lambda."
            for name in sorted(added)
        )

    def live(self) -> dict[str, np.ndarray]:
        return {
            name: keep_one((norms > self._cutoff * norms.max(initial=0.0)) * 1.0, norms)[0] > 0
            for name, norms in self.norms().items()
        }

    def norms(self) -> dict[str, np.ndarray]:
        return {r.group: r.norms(self._weights).cpu().numpy() for r in self.rows}

    def state_dict(self) -> dict[str, Tensor]:
        names = [r.group for r in self.rows]
        return {"saved": torch.tensor([name in self._noted for name in names])}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        noted = zip(self.rows, state["saved"].tolist(), strict=True)
        self._noted = {r.group for r, flag in noted if flag}


class SubgradientSolver(_LassoSolver[GroupLasso]):
    """SGD on the loss plus the penalty, by its subgradient lambda V / ||V||. Rows never reach 0, so
    the settings' ``cutoff`` decides."""

    def _prepare(self) -> None:
        super()._prepare()
        self._cutoff = self._settings.cutoff

    def add_gradients(self) -> None:
        """Add the penalty's subgradient (0 for rows at 0)."""
        for r in self.rows:
            norms = r.norms(self._weights)
            slopes = self._scales.strengths[r.group] / norms.clamp(min=1e-12) * (norms > 1e-12)
            for s in r.slices:
                weight = self._weights[s.name]
                if weight.grad is not None:
                    weight.grad.addcmul_(weight.detach(), s.along(weight, slopes, 0.0))


class ProximalSolver(_LassoSolver[ProximalLasso]):
    """A proximal step of the penalty after each step of SGD; a group keeps its largest row."""

    def after_step(self, learning_rate: float, step: int) -> None:
        """The proximal step. With momentum a gradient moves the weights by learning rate / (1 -
        momentum) in all, so the threshold is lambda times that.

        Args:
            learning_rate: That of the step.
            step: Not used.
        """
        rate = learning_rate / (1 - self._settings.momentum)
        for r in self.rows:
            norms = r.norms(self._weights)
            factors = shrink_factors(norms, rate * self._scales.strengths[r.group])
            largest = norms.argmax()
            factors[largest] = torch.where(factors[largest] > 0, factors[largest], 1.0)
            r.scale(self._weights, factors)
