"""A network in sparse training: its weights, the solver at work on them, and the plan they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from sfp_viz.core.cost.cost import Cost
from sfp_viz.core.cost.stripes import stripe_cost
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.training.sparsification import (
    GroupLasso,
    ProximalLasso,
    SparseSettings,
    Stripes,
)
from sfp_viz.errors import PlanError
from sfp_viz.nets.forward import copy_module, keep_frozen
from sfp_viz.nets.model import Model
from sfp_viz.nets.sparsity.aulm import AULM
from sfp_viz.nets.sparsity.filter_rows import Rows, rows_of
from sfp_viz.nets.sparsity.frozen_rows import FrozenRows
from sfp_viz.nets.sparsity.group_lasso import ProximalSolver, SubgradientSolver
from sfp_viz.nets.sparsity.multi_granularity import MultiGranularity
from sfp_viz.nets.sparsity.scales import Scales, scales_of
from sfp_viz.nets.sparsity.solver import Solver
from sfp_viz.nets.sparsity.sparse_plan import sparse_groups, sparse_plan
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, silence
from sfp_viz.nets.tracing.read_network import channel_groups


@dataclass(eq=False)
class SparseNetwork:
    """A network in sparse training.

    Attributes:
        student: The network as it was before.
        network: The reading of ``student``.
        groups: Its channel groups.
        module: The copy that is trained.
        settings: How it is made sparse.
        stages: The rows that are trained at the same time, stage by stage.
        scales: How strongly each group is penalized.
        solver: The method at work on the rows of the current stage.
        settled: Rows that are kept in groups whose stage is over: bool [units] by group.
    """

    student: Model
    network: Network
    groups: Sequence[ChannelGroup]
    module: nn.Module
    settings: SparseSettings
    stages: Sequence[Sequence[Rows]]
    scales: Scales
    solver: Solver = field(init=False)
    settled: dict[str, np.ndarray] = field(default_factory=dict)

    def start_stage(self, stage: int, steps_per_epoch: int) -> None:
        """Let the solver work on the rows of a stage; with order 'layers' nothing else trains.

        Args:
            stage: The number of the stage, from 0.
            steps_per_epoch: Steps in an epoch.
        """
        rows = self.stages[stage]
        if self.settings.order == "layers":
            trained = {s.name for r in rows for s in r.slices}
            for name, parameter in self.module.named_parameters():
                parameter.requires_grad_(name in trained)  # frozen ones are in no stage
        self.solver = _solver(
            self.module, rows, self.scales, self.network, self.settings, steps_per_epoch
        )

    def freeze(self) -> None:
        """Set to 0 what is pruned if the training ends now, and keep it there."""
        live, norms = self.live_rows(at_end=True), self.solver.norms()
        self._harden(self.module, live)
        self.solver = FrozenRows(self.module, self.solver.rows, live, norms)

    def resume_frozen(self) -> None:
        """Replace the solver by one whose state from after ``freeze`` is still to be loaded."""
        rows = self.solver.rows
        all_live = {r.group: np.ones(r.size, dtype=bool) for r in rows}
        self.solver = FrozenRows(self.module, rows, all_live, all_live)

    def live_rows(self, *, at_end: bool) -> dict[str, np.ndarray]:
        """Filters that are kept: bool [units] by group; ``at_end``: so that a target is met.

        Raises:
            PlanError: The target cannot be met.
        """
        live = {r.group: np.ones(r.size, dtype=bool) for stage in self.stages for r in stage}
        return live | (self.solver.decided() if at_end else self.solver.live()) | self.settled

    def cost(self, live: Mapping[str, np.ndarray]) -> Cost:
        """Cost when only ``live`` filters and stripes that act count; computed."""
        kept = {name: int(rows.sum()) for name, rows in live.items()}
        return stripe_cost(self.network, self.solver.live_stripes(), kept)

    def phase(self) -> str:
        """What the training does now, for the history."""
        by_layers = self.settings.order == "layers"
        return self.solver.phase(self.solver.rows[0].group if by_layers else "whole")

    def hardened(self, live: Mapping[str, np.ndarray]) -> Model:
        """The student with the weights as they act and all that is not ``live`` at 0: a copy on
        the CPU, in evaluation mode."""
        module = keep_frozen(copy_module(self.module), self.student.module)
        self._harden(module, live)
        module = module.to("cpu").to(memory_format=torch.contiguous_format).eval()
        return self.student.with_module(module)

    def plan(self) -> tuple[Model, Plan]:
        """The network with all that is pruned at 0, not cut, and the plan that cuts it."""
        live = self.live_rows(at_end=True)
        model = self.hardened(live)
        network = replace(self.network, digest=model.digest)
        norms = {name: np.where(rows, 1.0, 0.0) for name, rows in self.settled.items()}
        norms |= self.solver.norms()
        early = self.solver.removed_early()
        return model, sparse_plan(network, live, norms, self.settings, early)

    def _harden(self, module: nn.Module, live: Mapping[str, np.ndarray]) -> None:
        """Set ``module``, of the shape of the trained one, to what acts: in place."""
        with torch.no_grad():
            for name, value in self.solver.hardened().items():
                module.get_parameter(name).copy_(value)
        pruned = {name: np.flatnonzero(~rows).tolist() for name, rows in live.items()}
        silence(module, self.groups, pruned, readers=True)


def sparse_network(
    student: Model,
    network: Network,
    settings: SparseSettings,
    device: torch.device,
) -> SparseNetwork:
    """A copy of ``student`` on ``device``, before its first stage.

    Args:
        student: The network to be made sparse.
        network: Its reading.
        settings: How it is made sparse.
        device: Where it is trained.

    Raises:
        PlanError: No group may be made sparse.
        RecipeError: Lambda is too large for l2,0 (``rho_factors``).
    """
    groups = channel_groups(student)
    module = copy_module(student.module).to(memory_format=torch.channels_last)
    module = module.to(device)
    rows = [
        group_rows
        for group_rows in rows_of(module, groups, sparse_groups(network, settings))
        if all(module.get_parameter(part.name).requires_grad for part in group_rows.slices)
    ]
    if not rows:
        raise PlanError(
            f"Every group of '{student.name}' has frozen layers (requires_grad is False), so none "
            "can be made sparse. Call requires_grad_(True) on the layers that should learn."
        )
    scales = scales_of(rows, dict(module.named_parameters()), network, settings)
    stages = [[r] for r in rows] if settings.order == "layers" else [list(rows)]
    return SparseNetwork(student, network, groups, module, settings, stages, scales)


def sgd(sparse: SparseNetwork) -> torch.optim.SGD:
    """The optimizer of all parameters: weight decay for those that no penalty acts on; norms and
    biases have none."""
    settings, penalized = sparse.settings, set[str]()
    if settings.method != "stripes":
        penalized = {s.name for rows in sparse.stages for r in rows for s in r.slices}
    decayed, others = [], []
    for name, parameter in sparse.module.named_parameters():
        (others if name in penalized or parameter.ndim < 2 else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)


def _solver(
    module: nn.Module,
    rows: Sequence[Rows],
    scales: Scales,
    network: Network,
    settings: SparseSettings,
    steps_per_epoch: int,
) -> Solver:
    """The solver that the settings ask for."""
    if isinstance(settings, Stripes):
        return MultiGranularity(module, rows, scales, network, settings, steps_per_epoch)
    if isinstance(settings, GroupLasso):
        return SubgradientSolver(module, rows, scales, network, settings)
    if isinstance(settings, ProximalLasso):
        return ProximalSolver(module, rows, scales, network, settings)
    return AULM(module, rows, scales, network, settings)
