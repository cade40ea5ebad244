"""The teacher of a training: its logits, for each batch or remembered for each view of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.nets.data.augmentation import augment
from sfp_viz.nets.forward import copy_module, logits_of
from sfp_viz.nets.model import Model
from sfp_viz.nets.training.distributed import ProcessGroup

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_BATCH = 256
_MOST_BYTES = 2**30  # of remembered logits


class Teacher:
    """A frozen network in evaluation mode that remembers its logits where it can.

    They are remembered where an image comes again unchanged: without augmentation in all epochs,
    with ``teacher_views`` K in every K-th epoch (float32 [K, images, classes], at most 1 GB).
    With augmentation alone every batch is new. Remembered logits are always computed in the same
    batches, so a resumed training gets the same bits; several processes share that work.

    Raises:
        RunError: The remembered logits of ``teacher_views`` would take more than 1 GB.
    """

    def __init__(
        self,
        teacher: Model,
        pixels: Tensor,
        settings: Distillation,
        fabric: Fabric,
        processes: ProcessGroup,
    ) -> None:
        module = copy_module(teacher.module, dtype=torch.float32).eval().requires_grad_(False)
        self._module = fabric.to_device(module.to(memory_format=torch.channels_last))
        self._teacher, self._fabric, self._processes = teacher, fabric, processes
        self._pixels, self._settings = pixels, settings
        self._views = view_count(settings)
        self._remembered: dict[int, Tensor] = {}  # by view
        size = 4 * max(1, self._views) * len(pixels) * teacher.classes
        if size > _MOST_BYTES and settings.teacher_views:
            raise RunError(
                f"The teacher's logits for {self._views} views of {len(pixels):,} images would "
                f"take {size / 2**30:.1f} GB, more than 1 GB. Set fewer teacher views, or 0."
            )
        self._remembers = self._views > 0 and size <= _MOST_BYTES

    def prepare(self, epoch: int) -> None:
        """Compute the logits of all images as they come in ``epoch``, if they are remembered and
        not known yet."""
        if self._remembers and (view := epoch % self._views) not in self._remembered:
            processes = self._processes
            logits = torch.zeros(len(self._pixels), self._teacher.classes)
            for start in range(_BATCH * processes.rank, len(logits), _BATCH * processes.world_size):
                indices = np.arange(start, min(start + _BATCH, len(logits)))
                pixels = augmented(self._pixels, indices, self._settings, epoch)
                logits[start : start + _BATCH] = self._forward(pixels).float().cpu()
            if processes.world_size > 1:
                logits = self._fabric.to_device(logits)
            self._remembered[view] = processes.all_reduce(logits).cpu()

    def logits(self, pixels: Tensor, indices: np.ndarray, epoch: int) -> Tensor:
        """Logits of a batch; ``prepare`` the epoch first.

        Args:
            pixels: The augmented images, on the device.
            indices: Which images they are.
            epoch: The epoch, from 0.

        Returns:
            Logits [batch, classes] on the device.
        """
        if not self._remembers:
            return self._forward(pixels)
        view = self._remembered[epoch % self._views]
        return self._fabric.to_device(view[torch.from_numpy(indices)])

    def _forward(self, pixels: Tensor) -> Tensor:
        pixels = self._fabric.to_device(pixels)
        with torch.no_grad(), self._fabric.autocast():
            images = self._teacher.normalize(pixels)
            images = images.contiguous(memory_format=torch.channels_last)
            return logits_of(self._module, images, self._teacher.name)


def view_count(settings: Distillation) -> int:
    """How many different views of an image there are in all epochs; 0 for new ones in each."""
    return 1 if settings.augmentation == "none" else settings.teacher_views


def augmented(pixels: Tensor, indices: np.ndarray, settings: Distillation, epoch: int) -> Tensor:
    """Some images as they come in an epoch: uint8 [batch, channels, height, width].

    Args:
        pixels: All images, uint8 [N, channels, height, width].
        indices: The images to return.
        settings: How the student is trained.
        epoch: The epoch, from 0.
    """
    views = view_count(settings)
    return augment(
        pixels,
        indices,
        kind=settings.augmentation,
        seed=settings.seed,
        epoch=epoch % views if views else epoch,
        count=len(pixels),
    )
