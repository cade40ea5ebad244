"""What a sparsifying training has come to: which filters stay, the network as it acts, its plan."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.training.projection import rows_within
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.sparsity.frozen_rows import FrozenRows
from sfp_viz.nets.sparsity.multi_granularity import PHASES, Thinning
from sfp_viz.nets.sparsity.sparse_plan import sparse_plan
from sfp_viz.nets.tracing.channel_groups import silence

if TYPE_CHECKING:
    from sfp_viz.nets.sparsity.sparse_training import SparseTraining


def live_rows(training: SparseTraining, *, at_end: bool) -> dict[str, np.ndarray]:
    """Filters that stay: bool [units] by group; ``at_end``, so that the target is met."""
    settings, solver = training.settings, training.solver
    live = {r.group: np.ones(r.size, dtype=bool) for stage in training.stages for r in stage}
    live |= solver.live() | training.settled
    if at_end and settings.finish == "target" and not isinstance(solver, Thinning | FrozenRows):
        units = training.scales.units
        scores = {name: norm / units[name] for name, norm in solver.norms().items()}
        target, tied = settings.target_reduction, settings.coupled
        live = rows_within(training.network, scores, target, coupled=tied)
    return live


def standing(training: SparseTraining, *, measured: bool) -> dict[str, Any]:
    """The part of a line that says what stays, and what that costs; ``measured``, what it can do
    on the test images."""
    live, right = live_rows(training, at_end=training.finished), None
    if measured:
        right = count_right(training.student.with_module(hard_copy(training, live)), training.test)
    gates = training.solver if isinstance(training.solver, Thinning) else None
    kept = {name: int(stays.sum()) for name, stays in live.items()}
    counted = gates.counted() if gates else cost_of_widths(training.network, kept)
    return {
        "phase": PHASES[gates.phase] if gates else _phase(training),
        "live": tuple((name, float(stays.mean())) for name, stays in live.items()),
        "stripes": gates.stripes() if gates else (),
        "gates": gates.gates() if gates else (),
        "macs": counted.macs,
        "params": counted.params,
        "activation_bytes": counted.peak_activation_bytes,
        "test_accuracy": None if right is None else right / max(1, len(training.test)),
        "test_images": 0 if right is None else len(training.test),
    }


def result_of(training: SparseTraining) -> tuple[Model, Plan]:
    """The network with all that goes at 0, uncut, and the plan that cuts it."""
    live, solver = live_rows(training, at_end=True), training.solver
    model = training.student.with_module(hard_copy(training, live))
    network = replace(training.network, digest=model.digest)
    norms = {name: np.where(stays, 1.0, 0.0) for name, stays in training.settled.items()}
    norms |= solver.norms()
    early = solver.early() if isinstance(solver, Thinning) else {}
    return model, sparse_plan(network, live, norms, training.settings, early)


def hard_copy(training: SparseTraining, live: dict[str, np.ndarray]) -> nn.Module:
    """A copy in evaluation mode with all that goes at 0, on the CPU."""
    module = copy.deepcopy(training.module).requires_grad_(True)
    harden(training, module, live)
    return module.to("cpu").to(memory_format=torch.contiguous_format).eval()


def harden(training: SparseTraining, module: nn.Module, live: dict[str, np.ndarray]) -> None:
    """Set ``module``, of the shape of the training's, to what acts: in place."""
    with torch.no_grad():
        for name, value in training.solver.hardened().items():
            module.get_parameter(name).copy_(value)
    gone = {name: np.flatnonzero(~stays).tolist() for name, stays in live.items()}
    silence(module, training.groups, gone)


def _phase(training: SparseTraining) -> str:
    """'whole', or the group that is at work."""
    rows = training.solver.rows
    at = rows[0].group if training.settings.order == "layers" else "whole"
    return f"{at}, settling" if isinstance(training.solver, FrozenRows) else at
