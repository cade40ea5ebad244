"""What a method of sparse training does to gradients and weights: the protocol of the solvers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from torch import Tensor, nn

from sfp_viz.core.network import Network
from sfp_viz.core.training.sparsification import SSR, GroupLasso, ProximalLasso, SSRProjection
from sfp_viz.nets.sparsity.filter_rows import Rows, row_weights
from sfp_viz.nets.sparsity.scales import Scales

Settings = TypeVar("Settings", bound=SSR | SSRProjection | GroupLasso | ProximalLasso)


class Solver(Protocol):
    """A method at work on the rows of a network; by default it does nothing.

    Implementations: ``AULM``, ``SubgradientSolver``, ``ProximalSolver``, ``MultiGranularity``, and
    ``FrozenRows`` at the end of a training.

    Attributes:
        rows: The rows it acts on, one entry for each group.
        rho: The pull between weights and copy; 0 without a copy.
        selects_rows: Whether it sets to 0 itself what is pruned, so that nothing has to be decided
            at the end.
    """

    rows: Sequence[Rows]
    rho: float = 0.0
    selects_rows: bool = False

    def add_gradients(self) -> None:
        """Add the gradient of the penalty to those of the loss, before a step of SGD."""

    def after_step(self, learning_rate: float, step: int) -> None:
        """Change the weights after a step of SGD.

        Args:
            learning_rate: That of the step.
            step: The number of the step, from 0.
        """

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Update what is not updated in each step, at ``progress`` 0..1 of the training.

        Returns:
            Sentences about groups that the penalty would have left without a filter.
        """
        return ()

    @abstractmethod
    def live(self) -> dict[str, np.ndarray]:
        """Rows that are kept as things are now: bool [units] by group."""

    def decided(self) -> dict[str, np.ndarray]:
        """Rows that are kept if the training ends now, so that a target is met: bool [units] by
        group."""
        return self.live()

    @abstractmethod
    def norms(self) -> dict[str, np.ndarray]:
        """Norms of the rows, by which those that are kept are chosen: float [units] by group."""

    def residual(self) -> dict[str, float]:
        """||V - F|| / ||V|| of the weights V and their copy F, by group; {} without a copy."""
        return {}

    def forward_weights(self) -> dict[str, Tensor]:
        """Weights for the forward pass in place of the module's, by parameter name."""
        return {}

    def hardened(self) -> dict[str, Tensor]:
        """The weights as they act, by parameter name, where they are not the module's."""
        return {}

    def phase(self, stage: str) -> str:
        """What it does now, for the history; ``stage``: the group at work, or 'whole'."""
        return stage

    def live_stripes(self) -> dict[str, int]:
        """How many stripes act, by layer; layers that are not named have all of theirs."""
        return {}

    def stripe_shares(self) -> dict[str, float]:
        """Share of the stripes of each layer's kept filters that act, 0..1."""
        return {}

    def gate_quantiles(self) -> dict[str, tuple[float, ...]]:
        """The 0, 25, 50, 75 and 100 % points of |S| of each layer's kept filters."""
        return {}

    def removed_early(self) -> dict[str, np.ndarray]:
        """Filters that were removed as a whole before stripes were: bool [units] by group."""
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Its state as tensors by name."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a ``state_dict``. Raises KeyError or RuntimeError when it does not fit."""


class PenaltySolver(Solver, Generic[Settings]):
    """A solver that penalizes whole rows and leaves to the end which of them are pruned.

    Args:
        module: The network.
        rows: The rows to penalize, one entry for each group.
        scales: How strongly each group is penalized.
        network: The reading of the network.
        settings: How it is made sparse.
    """

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        scales: Scales,
        network: Network,
        settings: Settings,
    ) -> None:
        self.rows, self._scales, self._settings = rows, scales, settings
        self._network, self._weights = network, row_weights(module, rows)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Set up what the method keeps besides the weights."""

    def decided(self) -> dict[str, np.ndarray]:
        if self._settings.finish == "target":
            return self._scales.select_rows(self._network, self.norms(), self._settings)
        return self.live()
