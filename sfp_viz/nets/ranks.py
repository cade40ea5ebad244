"""What the processes of one training do together; with a single process all of it is nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.training import Distillation
from sfp_viz.errors import RunError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PATIENCE = timedelta(days=1)  # rank 0 may measure or write for long; the dead are found otherwise
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


class Ranks:
    """The processes of ``fabric``: ``rank`` of ``size``. Make it in all of them at once.

    The word to stop goes over a group of its own on the CPU, so that a GPU does not wait for it.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.rank, self.size = fabric.global_rank, fabric.world_size
        self._group: Any = None
        if self.size > 1:
            from torch import distributed

            self._group = distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def share(self, batch: np.ndarray) -> tuple[np.ndarray, float]:
        """This process's part of a batch, and the weight of its mean: the mean over the processes
        of mean x weight is the mean over the batch. A process without a part takes the first image
        at weight 0, because all of them must step together."""
        if self.size == 1:
            return batch, 1.0
        mine = np.array_split(batch, self.size)[self.rank]
        return (mine, len(mine) * self.size / len(batch)) if len(mine) else (batch[:1], 0.0)

    def add(self, tensor: Tensor) -> Tensor:
        """The sum of ``tensor`` over the processes, the same in each; written into ``tensor``."""
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(tensor)
        return tensor

    def agree(self, word: bool) -> bool:
        """What the first process says; the others' ``word`` does not count."""
        if self.size > 1:
            from torch import distributed

            said = torch.tensor([int(word)])
            distributed.broadcast(said, 0, group=self._group)
            return bool(said)
        return word


def fewest(module: nn.Module, ranks: Ranks) -> int:
    """The images a batch needs at least: BatchNorm has no statistics of one image a process."""
    norms = any(isinstance(part, _NORMS) for part in module.modules())
    return 2 * ranks.size if norms else 2


def alone(settings: Distillation) -> Fabric:
    """A Fabric of this process alone."""
    if settings.processes > 1:
        raise RunError(
            f"A training on {settings.processes} processes needs a run, which starts them: "
            "'sfp-viz finetune ... --background', or the page Fine-tune. Here, set processes to 1."
        )
    from lightning_fabric import Fabric  # seconds to import: only for those who train

    return Fabric(accelerator="auto", devices=1, precision=settings.precision)
