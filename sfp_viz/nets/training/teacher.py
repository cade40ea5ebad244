"""The teacher of a training: asked anew for each batch, or once for each view of an image."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.nets.data.augmentation import augment
from sfp_viz.nets.model import Model
from sfp_viz.nets.training.distributed import Ranks

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_BATCH = 256
_MOST_BYTES = 2**30  # of remembered logits


class Teacher:
    """A frozen network in evaluation mode, and what it said.

    Its logits are kept where an image comes again unchanged: without augmentation in all epochs,
    with ``teacher_views`` K in every K-th epoch (float32 [K, images, classes], at most 1 GB).
    With augmentation alone each batch is new, and nothing is kept. What is kept is always
    computed in the same batches, so a resumed training sees the same bits; several processes
    share the asking, and each keeps all answers.
    """

    def __init__(
        self, teacher: Model, pixels: Tensor, settings: Distillation, fabric: Fabric, ranks: Ranks
    ) -> None:
        module = copy.deepcopy(teacher.module).eval().requires_grad_(False)
        self._module = fabric.to_device(module.to(memory_format=torch.channels_last))
        self._teacher, self._fabric, self._ranks = teacher, fabric, ranks
        self._pixels, self._settings = pixels, settings
        self._views = views(settings)
        self._said: dict[int, Tensor] = {}
        size = 4 * max(1, self._views) * len(pixels) * teacher.classes
        if size > _MOST_BYTES and settings.teacher_views:
            raise RunError(
                f"{self._views} views of {len(pixels):,} images would take {size / 2**30:.1f} GB "
                "for the teacher's answers; at most 1 GB is used. Ask for fewer views, or for 0."
            )
        self._keeps = self._views > 0 and size <= _MOST_BYTES

    def prepare(self, epoch: int) -> None:
        """Look at all images as they come in ``epoch``, if that is kept and not known yet."""
        if self._keeps and (view := epoch % self._views) not in self._said:
            said = torch.zeros(len(self._pixels), self._teacher.classes)
            for start in range(_BATCH * self._ranks.rank, len(said), _BATCH * self._ranks.size):
                part = np.arange(start, min(start + _BATCH, len(said)))
                pixels = seen_in(self._pixels, part, self._settings, epoch)
                said[start : start + _BATCH] = self._ask(pixels).float().cpu()
            said = self._fabric.to_device(said) if self._ranks.size > 1 else said
            self._said[view] = self._ranks.add(said).cpu()

    def logits(self, pixels: Tensor, chosen: np.ndarray, epoch: int) -> Tensor:
        """Logits [batch, classes] of the images ``chosen``, whose changed ``pixels`` are on the
        device; ``prepare`` the epoch first."""
        if not self._keeps:
            return self._ask(pixels)
        return self._fabric.to_device(self._said[epoch % self._views][torch.from_numpy(chosen)])

    def _ask(self, pixels: Tensor) -> Tensor:
        pixels = self._fabric.to_device(pixels)
        with torch.no_grad(), self._fabric.autocast():
            images = self._teacher.normalize(pixels)
            return self._module(images.contiguous(memory_format=torch.channels_last))


def views(settings: Distillation) -> int:
    """How many different views of an image there are in all epochs; 0 for ever new ones."""
    return 1 if settings.augmentation == "none" else settings.teacher_views


def seen_in(pixels: Tensor, chosen: np.ndarray, settings: Distillation, epoch: int) -> Tensor:
    """The images ``chosen`` as they come in ``epoch``, uint8 [batch, channels, height, width]."""
    return augment(
        pixels,
        chosen,
        kind=settings.augmentation,
        seed=settings.seed,
        epoch=epoch % views(settings) if views(settings) else epoch,
        count=len(pixels),
    )
