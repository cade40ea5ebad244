"""The end of a sparsifying training: what went stays at 0, and no penalty acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.nets.sparsity.filter_rows import Rows


class FrozenRows:
    """Rows of ``module`` that stay at 0. ``live`` and ``norms`` [units] by group say which stay,
    and what their norms were when that was decided."""

    rho = 0.0

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        live: Mapping[str, np.ndarray],
        norms: Mapping[str, np.ndarray],
    ) -> None:
        self.rows = rows
        every = dict(module.named_parameters())
        self._weights = {part.name: every[part.name] for r in rows for part in r.parts}
        self._live = {r.group: live[r.group].copy() for r in rows}
        self._norms = {r.group: norms[r.group].astype(np.float64) for r in rows}
        self._set()

    def pull(self, rate: float) -> None:
        """Nothing pulls."""

    def stepped(self, rate: float, step: int) -> None:
        """After a step of SGD: what went is 0 again."""
        for r in self.rows:
            if r.group in self._factors:
                r.scale(self._weights, self._factors[r.group])

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Nothing to set anew."""
        return ()

    def live(self) -> dict[str, np.ndarray]:
        """Rows that stay: bool [units] by group."""
        return dict(self._live)

    def norms(self) -> dict[str, np.ndarray]:
        """Norms of the rows when it was decided which go."""
        return dict(self._norms)

    def residual(self) -> dict[str, float]:
        """The weights are their own copy."""
        return {r.group: 0.0 for r in self.rows}

    def hardened(self) -> dict[str, Tensor]:
        """The weights are what they are."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What stays, as tensors by name."""
        state = {f"live.{name}": torch.from_numpy(x) for name, x in self._live.items()}
        return state | {f"norms.{name}": torch.from_numpy(x) for name, x in self._norms.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state``; KeyError when it does not fit."""
        self._live = {name: state[f"live.{name}"].cpu().numpy().copy() for name in self._live}
        self._norms = {name: state[f"norms.{name}"].cpu().numpy().copy() for name in self._norms}
        self._set()

    def _set(self) -> None:
        device = next(iter(self._weights.values())).device
        self._factors = {
            name: torch.from_numpy(stays.astype(np.float64)).to(device)
            for name, stays in self._live.items()
            if not stays.all()
        }
