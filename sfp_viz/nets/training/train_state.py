"""The state of a training, in and out: everything it needs to go on, as tensors by name.

``module.*`` weights and buffers, ``momentum.*``, ``average.*``, ``gap``, ``scaler`` (of 16-mixed),
``done`` epochs, ``step`` of the epoch under way with its ``sums`` (loss x images, right answers)
and ``seconds``. States without the last three are of earlier versions, between two epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sfp_viz.errors import RunError

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from sfp_viz.nets.training.distill import Training

_SCALER = {
    "scale": float,
    "growth_factor": float,
    "backoff_factor": float,
    "growth_interval": int,
    "_growth_tracker": int,
}


def gather(training: Training) -> dict[str, Tensor]:
    """The state of ``training`` as it is between two steps, on the CPU. Raises RunError when its
    loss or weights are no longer finite: that is nothing to go on from."""
    training.check()
    state = {f"module.{k}": v.detach().cpu() for k, v in training.module.state_dict().items()}
    if not all(bool(torch.isfinite(p).all()) for p in training.module.parameters()):
        raise RunError(
            f"The weights became infinite in epoch {training.done + 1}. Lower the learning rate "
            "and start again."
        )
    for index, group in training.optimizer.state_dict()["state"].items():
        if group.get("momentum_buffer") is not None:
            state[f"momentum.{index}"] = group["momentum_buffer"].detach().cpu()
    if training.average is not None:
        mean = training.average.module.state_dict()
        state |= {f"average.{name}": tensor.detach().cpu() for name, tensor in mean.items()}
    if training.settings.schedule == "adaptive":
        state["gap"] = training.gap.state()
    if scaler := training.fabric.strategy.precision.state_dict():
        state["scaler"] = torch.tensor([scaler[name] for name in _SCALER], dtype=torch.float64)
    state["done"], state["step"] = torch.tensor(training.done), torch.tensor(training.step)
    state["sums"] = training.sums.cpu().clone()
    state["seconds"] = torch.tensor(training.seconds, dtype=torch.float64)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def take_up(training: Training, state: dict[str, Tensor]) -> None:
    """Set ``training`` to a ``state``. Raises RunError when that is of another network."""
    try:
        training.module.load_state_dict(_below(state, "module."))
        _optimizer(training.optimizer, state)
        if training.average is not None:
            training.average.module.load_state_dict(_below(state, "average."))
        if training.settings.schedule == "adaptive":
            training.gap.restore(state["gap"])
        if "scaler" in state:
            values = zip(_SCALER.items(), state["scaler"].tolist(), strict=True)
            scaler = {name: kind(value) for (name, kind), value in values}
            training.fabric.strategy.precision.load_state_dict(scaler)
        step = int(state.get("step", torch.tensor(0)))
        if not 0 <= step < max(1, training.steps):
            raise ValueError(f"it is at step {step} of {training.steps}")
        training.done, training.step = int(state["done"]), step
        training.sums.copy_(state.get("sums", torch.zeros(2)))
        training.seconds = float(state.get("seconds", torch.tensor(0.0)))
    except (KeyError, RuntimeError, ValueError) as problem:
        raise RunError(f"The checkpoint does not fit this run: {problem}") from problem


def _below(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def _optimizer(optimizer: Optimizer, state: dict[str, Tensor]) -> None:
    saved = optimizer.state_dict()
    momentum = _below(state, "momentum.")
    saved["state"] = {int(index): {"momentum_buffer": v} for index, v in momentum.items()}
    optimizer.load_state_dict(saved)
