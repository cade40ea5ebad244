"""Batches of a sparse training as a function of (settings, step), so that it can resume."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from sfp_viz.core.training.sparsification import SparseSettings
from sfp_viz.nets.data.augmentation import augment, order
from sfp_viz.nets.data.compatibility import check_images
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model


class Batches:
    """Shuffled and augmented batches of ``images`` for ``student``, on ``device``.

    Attributes:
        steps: Steps in an epoch.

    Raises:
        DataError: The images do not fit the network.
    """

    def __init__(
        self, student: Model, images: Images, settings: SparseSettings, device: torch.device
    ) -> None:
        check_images(student, images)
        self._student, self._settings, self._device = student, settings, device
        self._pixels = torch.from_numpy(images.pixels.copy())
        self._labels = torch.from_numpy(images.labels.copy())
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))
        self.steps = math.ceil(len(images) / settings.batch_size)

    def __len__(self) -> int:
        return len(self._labels)

    def seen(self, step: int) -> int:
        """How many images the steps before ``step`` take in all."""
        epochs, place = divmod(step, self.steps)
        return epochs * len(self) + min(place * self._settings.batch_size, len(self))

    def skips(self, step: int) -> bool:
        """Whether a step has one image of several: BatchNorm has no statistics of it."""
        return self.seen(step + 1) - self.seen(step) == 1 < len(self)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Normalized images [B, C, H, W] and labels [B] of a step, counted from 0."""
        settings, size = self._settings, self._settings.batch_size
        epoch, place = divmod(step, self.steps)
        if self._order[0] != epoch:
            self._order = epoch, order(settings.seed, epoch, len(self))
        indices = self._order[1][place * size : (place + 1) * size]
        pixels = augment(
            self._pixels, indices, kind=settings.augmentation, seed=settings.seed, epoch=epoch,
            count=len(self),
        )  # fmt: skip
        images = self._student.normalize(pixels.to(self._device))
        labels = self._labels[torch.from_numpy(indices)].to(self._device)
        return images.contiguous(memory_format=torch.channels_last), labels
