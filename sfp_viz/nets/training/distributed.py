"""The processes of one training, and what they share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.nets.tracing.execution import BATCH_NORMS

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

_TIMEOUT = timedelta(days=1)  # rank 0 may measure or write for long; dead processes show otherwise


class ProcessGroup:
    """The processes of ``fabric``; with a single one every method returns its argument.

    Create it in all processes at once. Flags are broadcast over a group of their own on the CPU, so
    that a GPU does not wait for them.

    Attributes:
        rank: The number of this process, from 0.
        world_size: How many processes there are.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank, self.world_size = fabric.global_rank, fabric.world_size
        self._group: Any = None
        if self.world_size > 1:
            from torch import distributed

            self._group = distributed.new_group(backend="gloo", timeout=_TIMEOUT)

    def shard(self, batch: np.ndarray) -> tuple[np.ndarray, float]:
        """This process's part of a batch, and the weight of its mean.

        The mean over the processes of mean x weight is the mean over the batch. A process without
        images takes the first one at weight 0, because all processes must step together.
        """
        if self.world_size == 1:
            return batch, 1.0
        shard = np.array_split(batch, self.world_size)[self.rank]
        if not len(shard):
            return batch[:1], 0.0
        return shard, len(shard) * self.world_size / len(batch)

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """The sum of ``tensor`` over the processes, in each of them; written into ``tensor``."""
        if self.world_size > 1:
            from torch import distributed

            distributed.all_reduce(tensor)
        return tensor

    def broadcast_flag(self, flag: bool) -> bool:
        """The ``flag`` of the first process, in each of them."""
        if self.world_size > 1:
            from torch import distributed

            tensor = torch.tensor([int(flag)])
            distributed.broadcast(tensor, 0, group=self._group)
            return bool(tensor)
        return flag

    def broadcast(self, value: Any) -> Any:
        """The ``value`` of the first process, in each of them."""
        return self._fabric.broadcast(value) if self.world_size > 1 else value


def has_batch_norm(module: nn.Module) -> bool:
    """Whether the output for an image depends on the other images of its batch."""
    return any(isinstance(layer, BATCH_NORMS) for layer in module.modules())


def smallest_batch(module: nn.Module, processes: ProcessGroup) -> int:
    """The fewest images that a batch may have: BatchNorm has no statistics of one image per
    process.

    Args:
        module: The network being trained.
        processes: The processes that share a batch.
    """
    return 2 * processes.world_size if has_batch_norm(module) else 2


def single_process_fabric(settings: Distillation) -> Fabric:
    """A Fabric of this process alone.

    Raises:
        RunError: The settings ask for several processes.
    """
    if settings.processes > 1:
        raise RunError(
            f"Training on {settings.processes} processes only works in a run, which starts them. "
            "Use 'sfp-viz finetune ... --background' or the page Fine-tune, or set processes to 1."
        )
    from lightning_fabric import Fabric  # seconds to import: only for those who train

    return Fabric(accelerator="auto", devices=1, precision=settings.precision)


def distributed_fabric(settings: Distillation, *, rank: int, port: int) -> Fabric:
    """A Fabric of this and the other processes, with DDP (Li et al. 2020).

    It waits for all processes. Each takes a GPU; without GPUs all work on the CPU.

    Args:
        settings: Their ``processes`` is how many there are.
        rank: The number of this process, from 0.
        port: The port of this machine at which they meet.

    Raises:
        RunError: There are fewer GPUs than processes.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    gpus = torch.cuda.device_count()
    if 0 < gpus < settings.processes:
        raise RunError(
            f"{settings.processes} processes need one GPU each, but this machine has {gpus}. Start "
            f"a copy of the run with at most {gpus} processes."
        )
    threads = torch.get_num_threads()
    fabric = Fabric(
        accelerator="cuda" if gpus else "cpu",
        devices=settings.processes,
        strategy=DDPStrategy(cluster_environment=_environment(rank, port), timeout=_TIMEOUT),
        precision=settings.precision,
    )
    fabric.launch()
    torch.set_num_threads(threads)  # launch() changes it
    return fabric


def _environment(rank: int, port: int) -> LightningEnvironment:
    """That of processes started by a run, without environment variables that children would
    inherit."""
    from lightning_fabric.plugins.environments import LightningEnvironment

    class Environment(LightningEnvironment):
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

    return Environment()


def leave_process_group() -> None:
    """Leave the group of ``distributed_fabric``, so that another one can be created."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()
