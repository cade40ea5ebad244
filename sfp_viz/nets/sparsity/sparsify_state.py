"""The state of a sparsifying training, in and out: all it needs to go on, as tensors by name.

``module.*`` weights and buffers, ``momentum.*``, ``solver.*``, ``settled.*`` (rows of groups whose
turn is over: bool [units]), ``loss`` summed since the last line, ``mean`` of that line, ``seconds``
spent since then, ``notes`` for the next line (JSON
as bytes), and ``step``: (steps done, steps at the last line).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sfp_viz.errors import RunError

if TYPE_CHECKING:
    from sfp_viz.nets.sparsity.sparse_training import SparseTraining


def gather(training: SparseTraining) -> dict[str, Tensor]:
    """The state of ``training`` between two steps, on the CPU. Raises RunError when its loss, its
    weights or what pulls at them are no longer finite: that is nothing to go on from."""
    state = {f"module.{k}": v for k, v in training.module.state_dict().items()}
    for index, held in training.optimizer.state_dict()["state"].items():
        if held.get("momentum_buffer") is not None:
            state[f"momentum.{index}"] = held["momentum_buffer"]
    state |= {f"solver.{name}": tensor for name, tensor in training.solver.state().items()}
    felt = [t for name, t in state.items() if name.startswith(("momentum.", "solver."))]
    acting = (training.loss, *training.module.parameters(), *felt)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in acting):
        raise RunError(
            f"The loss or the weights became infinite before step {training.step}. Lower the "
            "learning rate, lambda or rho and start again."
        )
    state |= {f"settled.{g}": torch.from_numpy(x) for g, x in training.settled.items()}
    state |= {"loss": training.loss, "step": torch.tensor([training.step, training.last])}
    spent = time.perf_counter() - training.started
    state |= {"mean": _number(training.mean), "seconds": _number(spent)}
    state["notes"] = torch.tensor(list(json.dumps(training.notes).encode()), dtype=torch.uint8)
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def take_up(training: SparseTraining, state: Mapping[str, Tensor]) -> None:
    """Set ``training`` to a ``state``. Raises RunError when that is of another one."""
    device = training.loss.device

    def under(prefix: str) -> dict[str, Tensor]:
        found = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        return {name: tensor.to(device) for name, tensor in found.items()}

    try:
        training.step, training.last = (int(x) for x in state["step"])
        training.module.load_state_dict(under("module."))
        training.settled = {g: x.cpu().numpy().copy() for g, x in under("settled.").items()}
        training.begin(anew=False)
        saved = training.optimizer.state_dict()
        held = under("momentum.").items()
        saved["state"] = {int(index): {"momentum_buffer": m.clone()} for index, m in held}
        training.optimizer.load_state_dict(saved)
        training.solver.restore(under("solver."))
        training.notes = tuple(json.loads(bytes(state["notes"].tolist())))
        training.loss = state["loss"].to(device).clone()
        training.mean = float(state.get("mean", 0.0))  # earlier versions have neither
        training.started = time.perf_counter() - float(state.get("seconds", 0.0))
    except (KeyError, RuntimeError, ValueError) as problem:
        raise RunError(f"The checkpoint does not fit this run: {problem}") from problem
