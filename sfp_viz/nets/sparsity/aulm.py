"""AULM: SGD with a pull towards a sparse copy, a proximal step on the copy, and a multiplier.

Lin et al. 2019 (SSR), as in the authors' code (docs/method.md): F, the copy of the weights V;
U = Y / rho, the multiplier in units of the weights. Every step adds rho (V - F + U) to the
gradient; every refresh sets Z = V + U, F = prox(Z), U = U + DAMPING (V - F). 'ssr_projection' keeps
instead the rows of Z that meet the MACs target, which rises to its full size over the first half of
the training (the rise is ours).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sfp_viz.core.training.proximal import keep_factors, keep_one, shrink_factors
from sfp_viz.core.training.sparsification import SSR, SSRProjection
from sfp_viz.nets.sparsity.solver import PenaltySolver

# Our own: with 1, as the authors have it, the weights of a row that is pruned are pulled past 0 to
# their negative before they catch up, and the loss rises with them; the limit is the same.
DAMPING = 0.2


class AULM(PenaltySolver[SSR | SSRProjection]):
    """The copy and the multiplier of the rows of some groups of ``module``."""

    def _prepare(self) -> None:
        self._copy = {name: p.detach().clone() for name, p in self._weights.items()}
        self._multiplier = {name: torch.zeros_like(p) for name, p in self._copy.items()}
        self._target = {name: p.clone() for name, p in self._copy.items()}
        self.rho = self._settings.rho
        self._pulls = self._channel_pulls()

    def add_gradients(self) -> None:
        """Add rho (V - F + U)."""
        for name, weight in self._weights.items():
            if weight.grad is not None:
                difference = weight.detach() - self._target[name]
                weight.grad.addcmul_(difference, self._pulls[name])

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Update copy and multiplier."""
        sums = {n: w.detach() + self._multiplier[n] for n, w in self._weights.items()}
        norms = {r.group: r.norms(sums).cpu().numpy() for r in self.rows}
        factors, notes = self._factors(norms, progress)
        self._copy = {name: total.clone() for name, total in sums.items()}
        for r in self.rows:
            r.scale(self._copy, torch.from_numpy(factors[r.group]).to(self._device()))
        grown = min(self.rho * (self._settings.growth or 1.0), self._settings.rho_most)
        for name in sums:
            residual = self._weights[name].detach() - self._copy[name]
            updated = self._multiplier[name] + DAMPING * residual
            self._multiplier[name] = updated * (self.rho / grown)
        self.rho = grown
        self._set_target()
        return notes

    def live(self) -> dict[str, np.ndarray]:
        """Rows of the copy that are not 0: bool [units] by group."""
        return {r.group: r.norms(self._copy).cpu().numpy() > 0 for r in self.rows}

    def norms(self) -> dict[str, np.ndarray]:
        """Norms of the copy's rows; of rows that are 0 there, a hint from the weights."""
        norms = {}
        for r in self.rows:
            in_copy, in_weights = (r.norms(t).cpu().numpy() for t in (self._copy, self._weights))
            norms[r.group] = np.where(in_copy > 0, in_copy, 1e-6 * in_weights)
        return norms

    def residual(self) -> dict[str, float]:
        residual = {name: w.detach() - self._copy[name] for name, w in self._weights.items()}
        return {
            r.group: float(
                r.norms(residual).norm() / r.norms(self._weights).norm().clamp(min=1e-30)
            )
            for r in self.rows
        }

    def hardened(self) -> dict[str, Tensor]:
        """The weights of the rows' parameters, by name: the copy says which rows are kept, not
        their values, as in the authors' code (docs/method.md); l2,1 has shrunk those."""
        return {name: weight.detach().clone() for name, weight in self._weights.items()}

    def state_dict(self) -> dict[str, Tensor]:
        state = {f"copy.{name}": tensor for name, tensor in self._copy.items()}
        state |= {f"multiplier.{name}": tensor for name, tensor in self._multiplier.items()}
        return state | {"rho": torch.tensor(self.rho, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name, weight in self._weights.items():
            for kind, tensors in (("copy", self._copy), ("multiplier", self._multiplier)):
                tensors[name] = torch.empty_like(weight.detach()).copy_(state[f"{kind}.{name}"])
        self.rho = float(state["rho"])
        self._set_target()

    def _factors(
        self, norms: dict[str, np.ndarray], progress: float
    ) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """The factor of each row [units] by group, and sentences about groups that would be left
        without a row."""
        if isinstance(self._settings, SSRProjection):
            share = min(1.0, 2 * progress)
            kept = self._scales.select_rows(self._network, norms, self._settings, share=share)
            return {name: rows.astype(float) for name, rows in kept.items()}, ()
        prox = shrink_factors if self._settings.method == "ssr_l21" else keep_factors
        factors, notes = {}, []
        for name, norm in norms.items():
            threshold = self._scales.strengths[name] / self._pull(name)
            factors[name], saved = keep_one(prox(norm, threshold), norm)
            if saved:
                notes.append(
                    f"The penalty would leave '{name}' no filter, so its largest is kept. "
                    "Lower lambda."
                )
        return factors, tuple(notes)

    def _set_target(self) -> None:
        self._target = {n: copy - self._multiplier[n] for n, copy in self._copy.items()}
        self._pulls = self._channel_pulls()

    def _channel_pulls(self) -> dict[str, Tensor]:
        """rho of every channel of every parameter; 0 where it belongs to no group."""
        pulls: dict[str, Tensor] = {}
        for r in self.rows:
            per_row = torch.full((r.size,), self._pull(r.group), device=self._device())
            for s in r.slices:
                pull = s.along(self._weights[s.name], per_row, 0.0)
                pulls[s.name] = pulls[s.name] + pull if s.name in pulls else pull
        return pulls

    def _pull(self, group: str) -> float:
        """rho of a group, in units of its weights."""
        return self.rho * self._scales.rho_factors[group] / self._scales.units[group] ** 2

    def _device(self) -> torch.device:
        return next(iter(self._weights.values())).device
