"""The state of a distillation training between two steps, and its form as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.nets.training.ema import EMA
from sfp_viz.nets.training.losses import TeacherGap

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch.optim import Optimizer

_SCALER = {
    "scale": float,
    "growth_factor": float,
    "backoff_factor": float,
    "growth_interval": int,
    "_growth_tracker": int,
}


@dataclass(eq=False)
class TrainState:
    """Everything that changes while a network trains.

    Attributes:
        module: The network being trained.
        optimizer: Its optimizer, as set up by ``fabric``.
        ema: The moving average of its weights; None without one.
        gap: How far the student still is behind its teacher (adaptive temperature).
        fabric: Its precision plugin holds the loss scale of 16-bit training.
        settings: The settings of the training.
        steps: Steps in an epoch.
        sums: Loss times images, and right answers, summed over the epoch so far: [2].
        done: Epochs done.
        step: Steps done of the current epoch.
        seconds: Seconds spent on the current epoch.
    """

    module: nn.Module
    optimizer: Optimizer
    ema: EMA | None
    gap: TeacherGap
    fabric: Fabric
    settings: Distillation
    steps: int
    sums: Tensor
    done: int = 0
    step: int = 0
    seconds: float = 0.0

    def next_epoch(self) -> None:
        """Close the current epoch."""
        self.done, self.step, self.seconds = self.done + 1, 0, 0.0
        self.sums.zero_()

    def check_loss(self) -> None:
        """Raise RunError when the loss of the current epoch is no longer finite."""
        if not torch.isfinite(self.sums).all():
            raise RunError(
                f"The loss became infinite in epoch {self.done + 1}, by step {self.step + 1}. "
                "Lower the learning rate and start again."
            )

    def state_dict(self) -> dict[str, Tensor]:
        """The state as tensors on the CPU, by the names used in checkpoints.

        Returns:
            ``module.*`` weights and buffers, ``momentum.*``, ``average.*`` (of the EMA), ``gap``,
            ``scaler`` (of 16-mixed), ``done``, ``step``, ``sums`` and ``seconds``.

        Raises:
            RunError: The loss or the weights are no longer finite.
        """
        self.check_loss()
        state = {f"module.{k}": v.detach().cpu() for k, v in self.module.state_dict().items()}
        if not all(bool(torch.isfinite(p).all()) for p in self.module.parameters()):
            raise RunError(
                f"The weights became infinite in epoch {self.done + 1}. Lower the learning rate "
                "and start again."
            )
        for index, values in self.optimizer.state_dict()["state"].items():
            if values.get("momentum_buffer") is not None:
                state[f"momentum.{index}"] = values["momentum_buffer"].detach().cpu()
        if self.ema is not None:
            average = self.ema.module.state_dict()
            state |= {f"average.{name}": tensor.detach().cpu() for name, tensor in average.items()}
        if self.settings.schedule == "adaptive":
            state["gap"] = self.gap.state_dict()
        if scaler := self.fabric.strategy.precision.state_dict():
            state["scaler"] = torch.tensor([scaler[name] for name in _SCALER], dtype=torch.float64)
        state["done"], state["step"] = torch.tensor(self.done), torch.tensor(self.step)
        state["sums"] = self.sums.cpu().clone()
        state["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        return {name: tensor.contiguous() for name, tensor in state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a ``state_dict``. One of an earlier version, without ``step``, ``sums`` and
        ``seconds``, lies between two epochs.

        Raises:
            RunError: The state is of another network or other settings.
        """
        try:
            self.module.load_state_dict(below(state, "module."))
            load_momentum(self.optimizer, state)
            if self.ema is not None:
                self.ema.module.load_state_dict(below(state, "average."))
            if self.settings.schedule == "adaptive":
                self.gap.load_state_dict(state["gap"])
            if "scaler" in state:
                values = zip(_SCALER.items(), state["scaler"].tolist(), strict=True)
                scaler = {name: cast(value) for (name, cast), value in values}
                self.fabric.strategy.precision.load_state_dict(scaler)
            step = int(state.get("step", torch.tensor(0)))
            if not 0 <= step < max(1, self.steps):
                raise ValueError(f"it is at step {step} of {self.steps}")
            self.done, self.step = int(state["done"]), step
            self.sums.copy_(state.get("sums", torch.zeros(2)))
            self.seconds = float(state.get("seconds", torch.tensor(0.0)))
        except (KeyError, RuntimeError, ValueError) as problem:
            raise RunError(
                f"The checkpoint does not fit this run: {problem}. Delete it to start the run from "
                "its first epoch."
            ) from problem


def below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with a prefix, by the rest of their names.

    Args:
        state: Tensors by name.
        prefix: Such as 'module.'.
    """
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def load_momentum(optimizer: Optimizer, state: Mapping[str, Tensor]) -> None:
    """Set the momentum of an optimizer from a state.

    Args:
        optimizer: An SGD optimizer.
        state: Tensors by name; those called ``momentum.*`` count.

    Raises:
        ValueError: They do not fit the optimizer's parameters.
    """
    saved = optimizer.state_dict()
    momentum = below(state, "momentum.")
    saved["state"] = {int(index): {"momentum_buffer": v.clone()} for index, v in momentum.items()}
    optimizer.load_state_dict(saved)
