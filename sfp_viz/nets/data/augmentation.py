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
_MAX_SHIFT = ((16, 1), (28, 2))


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order in which the images of an epoch are shown: a permutation, int64 [count].

    Args:
        seed: The seed of the training.
        epoch: The epoch, from 0.
        count: How many images there are.
    """
    return np.random.default_rng([seed, epoch, 0]).permutation(count)


def augment(
    pixels: Tensor, chosen: np.ndarray, *, kind: Augmentation, seed: int, epoch: int, count: int
) -> Tensor:
    """Shifted (and, for 'crop_flip', mirrored) copies of some images, uint8 [B, C, H, W].

    What an image becomes depends on seed, epoch and its index alone. Shifts reach 1 pixel for
    images of up to 16 pixels a side, 2 up to 28, else 4; the border is filled with 0.

    Args:
        pixels: All images of the data set, uint8 [N, C, H, W].
        chosen: Indices of the images to return, int [B].
        kind: The augmentation; 'none' returns the images unchanged.
        seed: The seed of the training.
        epoch: The epoch, from 0.
        count: How many images the random numbers of an epoch are drawn for: N.
    """
    images = pixels[torch.from_numpy(chosen)]
    if kind == "none":
        return images
    draws = _draws(seed, epoch, count)[chosen]
    side, width = images.shape[2:]
    shift = next((pixels for most, pixels in _MAX_SHIFT if side <= most), 4)
    padded = F.pad(images, (shift,) * 4)
    rows = torch.from_numpy((draws[:, 0] * (2 * shift + 1)).astype(np.int64))
    columns = torch.from_numpy((draws[:, 1] * (2 * shift + 1)).astype(np.int64))
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
