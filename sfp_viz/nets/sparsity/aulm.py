"""AULM: SGD with a pull towards a sparse copy, a proximal step on the copy, and a multiplier.

Lin et al. 2019 (SSR), as in the authors' code (docs/method.md): F, the copy of the weights V;
U = Y / rho, the multiplier in units of the weights. Every step adds rho (V - F + U) to the
gradient; every refresh sets Z = V + U, F = prox(Z), U = U + DAMPING (V - F). 'ssr_projection' keeps
instead the rows of Z that meet the MACs target, which rises to its full size over the first half of
the training (G.9; the rise is ours).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.network import Network
from sfp_viz.core.training.projection import rows_within
from sfp_viz.core.training.proximal import alive, keep_factors, shrink_factors
from sfp_viz.core.training.sparsification import Sparsification
from sfp_viz.nets.sparsity.filter_rows import Rows
from sfp_viz.nets.sparsity.group_lasso import Scales

# Our own: with 1, as the authors have it, the weights of a row that goes are pulled past 0 to their
# negative before they catch up, and the loss rises with them; the point it comes to is the same.
DAMPING = 0.2


class Aulm:
    """The copy and the multiplier of the rows of some groups of ``module``."""

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        scales: Scales,
        network: Network,
        settings: Sparsification,
    ) -> None:
        self.rows, self._scales, self._settings = rows, scales, settings
        self._network = network
        every = dict(module.named_parameters())
        self._weights = {part.name: every[part.name] for r in rows for part in r.parts}
        self._copy = {name: p.detach().clone() for name, p in self._weights.items()}
        self._multiplier = {name: torch.zeros_like(p) for name, p in self._copy.items()}
        self._target = {name: p.clone() for name, p in self._copy.items()}
        self.rho = settings.rho
        self._strengths = self._pulls()

    def pull(self, rate: float) -> None:
        """Add rho (V - F + U) to the gradients."""
        for name, weight in self._weights.items():
            if weight.grad is not None:
                difference = weight.detach() - self._target[name]
                weight.grad.addcmul_(difference, self._strengths[name])

    def stepped(self, rate: float, step: int) -> None:
        """After a step of SGD: nothing."""

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Set copy and multiplier anew at ``progress`` 0..1 of the training; sentences about
        groups that the penalty would have left without a filter."""
        sums = {n: w.detach() + self._multiplier[n] for n, w in self._weights.items()}
        norms = {r.group: r.norms(sums).cpu().numpy() for r in self.rows}
        factors, notes = self._factors(norms, progress)
        self._copy = {name: total.clone() for name, total in sums.items()}
        for r in self.rows:
            r.scale(self._copy, torch.from_numpy(factors[r.group]).to(self._device()))
        grown = min(self.rho * (self._settings.growth or 1.0), self._settings.rho_most)
        for name in sums:
            apart = self._weights[name].detach() - self._copy[name]
            self._multiplier[name] = (self._multiplier[name] + DAMPING * apart) * (self.rho / grown)
        self.rho = grown
        self._aim()
        return notes

    def live(self) -> dict[str, np.ndarray]:
        """Rows of the copy that are not 0: bool [units] by group."""
        return {r.group: r.norms(self._copy).cpu().numpy() > 0 for r in self.rows}

    def norms(self) -> dict[str, np.ndarray]:
        """Norms of the copy's rows; of rows that are 0 there, a hint from the weights."""
        found = {}
        for r in self.rows:
            ours, theirs = (r.norms(t).cpu().numpy() for t in (self._copy, self._weights))
            found[r.group] = np.where(ours > 0, ours, 1e-6 * theirs)
        return found

    def residual(self) -> dict[str, float]:
        """||V - F|| / ||V|| of each group."""
        apart = {name: w.detach() - self._copy[name] for name, w in self._weights.items()}
        return {
            r.group: float(r.norms(apart).norm() / r.norms(self._weights).norm().clamp(min=1e-30))
            for r in self.rows
        }

    def hardened(self) -> dict[str, Tensor]:
        """The weights of the rows' parameters, by name: what the copy says is which rows stay, not
        their values, as in the authors' code (docs/method.md); l2,1 has shrunk those."""
        return {name: weight.detach().clone() for name, weight in self._weights.items()}

    def state(self) -> dict[str, Tensor]:
        """Copy, multiplier and rho, as tensors by name."""
        state = {f"copy.{name}": tensor for name, tensor in self._copy.items()}
        state |= {f"multiplier.{name}": tensor for name, tensor in self._multiplier.items()}
        return state | {"rho": torch.tensor(self.rho, dtype=torch.float64)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state``; KeyError or RuntimeError when it does not fit."""
        for name, weight in self._weights.items():
            for kind, held in (("copy", self._copy), ("multiplier", self._multiplier)):
                held[name] = torch.empty_like(weight.detach()).copy_(state[f"{kind}.{name}"])
        self.rho = float(state["rho"])
        self._aim()

    def _factors(
        self, norms: dict[str, np.ndarray], progress: float
    ) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        if self._settings.method == "ssr_projection":
            share = min(1.0, 2 * progress) * self._settings.target_reduction
            scores = {name: part / self._scales.units[name] for name, part in norms.items()}
            stay = rows_within(self._network, scores, share, coupled=self._settings.coupled)
            return {name: part.astype(float) for name, part in stay.items()}, ()
        prox = shrink_factors if self._settings.method == "ssr_l21" else keep_factors
        factors, notes = {}, []
        for name, part in norms.items():
            threshold = self._scales.strengths[name] / self._pull_of(name)
            factors[name], saved = alive(prox(part, threshold), part)
            if saved:
                notes.append(
                    f"The penalty would leave '{name}' no filter, so its largest stays. "
                    "Lower lambda."
                )
        return factors, tuple(notes)

    def _aim(self) -> None:
        self._target = {n: copy - self._multiplier[n] for n, copy in self._copy.items()}
        self._strengths = self._pulls()

    def _pulls(self) -> dict[str, Tensor]:
        """rho of every channel of every parameter; 0 where it belongs to no group."""
        pulls: dict[str, Tensor] = {}
        for r in self.rows:
            here = torch.full((r.size,), self._pull_of(r.group), device=self._device())
            for part in r.parts:
                line = part.along(self._weights[part.name], here, 0.0)
                pulls[part.name] = pulls[part.name] + line if part.name in pulls else line
        return pulls

    def _pull_of(self, group: str) -> float:
        """rho of a group, in units of its weights."""
        return self.rho * self._scales.lifts[group] / self._scales.units[group] ** 2

    def _device(self) -> torch.device:
        return next(iter(self._weights.values())).device
