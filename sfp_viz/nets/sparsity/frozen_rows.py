"""The end of a sparse training: pruned rows stay at 0, and no penalty acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.nets.sparsity.filter_rows import Rows, row_weights
from sfp_viz.nets.sparsity.solver import Solver


class FrozenRows(Solver):
    """Rows of ``module`` that stay at 0.

    Args:
        module: The network.
        rows: Its rows.
        live: Which are kept: bool [units] by group.
        norms: What their norms were when that was decided: [units] by group.
    """

    selects_rows = True

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        live: Mapping[str, np.ndarray],
        norms: Mapping[str, np.ndarray],
    ) -> None:
        self.rows, self._weights = rows, row_weights(module, rows)
        self._live = {r.group: live[r.group].copy() for r in rows}
        self._norms = {r.group: norms[r.group].astype(np.float64) for r in rows}
        self._set_factors()

    def after_step(self, learning_rate: float, step: int) -> None:
        """Set pruned rows to 0 again.

        Args:
            learning_rate: Not used.
            step: Not used.
        """
        for r in self.rows:
            if r.group in self._factors:
                r.scale(self._weights, self._factors[r.group])

    def live(self) -> dict[str, np.ndarray]:
        return dict(self._live)

    def norms(self) -> dict[str, np.ndarray]:
        return dict(self._norms)

    def residual(self) -> dict[str, float]:
        """0: the weights are their own copy."""
        return {r.group: 0.0 for r in self.rows}

    def phase(self, stage: str) -> str:
        return f"{stage}, settling"

    def state_dict(self) -> dict[str, Tensor]:
        state = {f"live.{name}": torch.from_numpy(x) for name, x in self._live.items()}
        return state | {f"norms.{name}": torch.from_numpy(x) for name, x in self._norms.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._live = {name: state[f"live.{name}"].cpu().numpy().copy() for name in self._live}
        self._norms = {name: state[f"norms.{name}"].cpu().numpy().copy() for name in self._norms}
        self._set_factors()

    def _set_factors(self) -> None:
        device = next(iter(self._weights.values())).device
        self._factors = {
            name: torch.from_numpy(live.astype(np.float64)).to(device)
            for name, live in self._live.items()
            if not live.all()
        }
