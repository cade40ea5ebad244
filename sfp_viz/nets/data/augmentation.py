"""Shuffling and augmentation as functions of (seed, epoch, index), so that a resumed run equals
an undisturbed one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Augmentation

# largest shift in pixels for images of up to 16, 28 and more pixels a side
_REACH = ((16, 1), (28, 2))


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order in which ``count`` images are seen in an epoch: a permutation, int64 [count]."""
    return np.random.default_rng([seed, epoch, 0]).permutation(count)


def augment(
    pixels: Tensor, chosen: np.ndarray, *, kind: Augmentation, seed: int, epoch: int, count: int
) -> Tensor:
    """Shifted (and, for 'crop_flip', mirrored) copies of images ``chosen``, uint8 [B, C, H, W].

    ``pixels`` are all ``count`` images, uint8 [N, C, H, W]. What image i becomes depends on
    seed, epoch and i alone. Shifts reach 1 pixel for images up to 16 pixels a side, 2 up to 28,
    else 4; what comes in from outside is 0.
    """
    images = pixels[torch.from_numpy(chosen)]
    if kind == "none":
        return images
    draws = _draws(seed, epoch, count)[chosen]
    side, width = images.shape[2:]
    reach = next((r for most, r in _REACH if side <= most), 4)
    padded = F.pad(images, (reach,) * 4)
    rows = torch.from_numpy((draws[:, 0] * (2 * reach + 1)).astype(np.int64))
    columns = torch.from_numpy((draws[:, 1] * (2 * reach + 1)).astype(np.int64))
    rows = (rows[:, None] + torch.arange(side))[:, None, :, None]
    across = columns[:, None] + torch.arange(width)
    if kind == "crop_flip":
        mirrored = torch.from_numpy(draws[:, 2] < 0.5)
        across = torch.where(mirrored[:, None], across.flip(1), across)
    batch = torch.arange(len(images))[:, None, None, None]
    channel = torch.arange(images.shape[1])[None, :, None, None]
    return padded[batch, channel, rows, across[:, None, None, :]]


@lru_cache(maxsize=2)
def _draws(seed: int, epoch: int, count: int) -> np.ndarray:
    """What is drawn for the images of an epoch, float32 [count, 3] in 0..1; for all its batches."""
    draws = np.random.default_rng([seed, epoch, 1]).random((count, 3), dtype=np.float32)
    draws.setflags(write=False)
    return draws
