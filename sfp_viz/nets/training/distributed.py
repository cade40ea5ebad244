"""What the processes of one training do together; with a single process all of it is nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PATIENCE = timedelta(days=1)  # rank 0 may measure or write for long; the dead are found otherwise
_NORMS = nn.modules.batchnorm._BatchNorm


class Ranks:
    """The processes of ``fabric``: ``rank`` of ``size``. Make it in all of them at once.

    The word to stop goes over a group of its own on the CPU, so that a GPU does not wait for it.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
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

    def first(self, value: Any) -> Any:
        """What the first process gives as ``value``; the others' does not count."""
        return self._fabric.broadcast(value) if self.size > 1 else value


def has_norms(module: nn.Module) -> bool:
    """Whether what an image becomes depends on the others of its batch."""
    return any(isinstance(part, _NORMS) for part in module.modules())


def fewest(module: nn.Module, ranks: Ranks) -> int:
    """The images a batch needs at least: BatchNorm has no statistics of one image a process."""
    return 2 * ranks.size if has_norms(module) else 2


def alone(settings: Distillation) -> Fabric:
    """A Fabric of this process alone. Raises RunError for settings that need several."""
    if settings.processes > 1:
        raise RunError(
            f"A training on {settings.processes} processes needs a run, which starts them: "
            "'sfp-viz finetune ... --background', or the page Fine-tune. Here, set processes to 1."
        )
    from lightning_fabric import Fabric  # seconds to import: only for those who train

    return Fabric(accelerator="auto", devices=1, precision=settings.precision)


def together(settings: Distillation, *, rank: int, port: int) -> Fabric:
    """A Fabric of this process, ``rank`` of the settings' number, with DDP (Li et al. 2020); it
    comes back when all of them are there, at ``port`` of this machine. GPUs are taken one each;
    without one all work on the CPU. Raises RunError when there are too few GPUs."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    class Started(LightningEnvironment):
        """Processes that were started by us, without variables that children would inherit."""

        @property
        def creates_processes_externally(self) -> bool:
            return True

        @property
        def main_address(self) -> str:
            return "127.0.0.1"

        @property
        def main_port(self) -> int:
            return port

        def local_rank(self) -> int:
            return rank

        def node_rank(self) -> int:
            return 0

    gpus = torch.cuda.device_count()
    if 0 < gpus < settings.processes:
        raise RunError(
            f"{settings.processes} processes need a GPU each, and there are {gpus}. Start a copy "
            f"of the run with at most {gpus}."
        )
    threads = torch.get_num_threads()
    fabric = Fabric(
        accelerator="cuda" if gpus else "cpu",
        devices=settings.processes,
        strategy=DDPStrategy(cluster_environment=Started(), timeout=_PATIENCE),
        precision=settings.precision,
    )
    fabric.launch()
    torch.set_num_threads(threads)  # Fabric has its own opinion
    return fabric


def leave() -> None:
    """Leave the group that ``together`` made; a later one can then be made."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
