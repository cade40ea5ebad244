"""Calibration images as the network saw its images in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import torch

from sfp_viz.core.training.distillation import Augmentation
from sfp_viz.nets.data.augmentation import augment
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import BATCH, BATCHES, NORMS
from sfp_viz.nets.pruning.compensation import reestimate

_LOOKS = 4  # batches from which the augmentation is told


def as_trained(model: Model, images: Images, most: int = BATCHES * BATCH) -> Images:
    """Up to ``most`` of the images, spread evenly, augmented as in the training of ``model``.

    BatchNorm statistics belong to augmented images; estimated on plain ones they cost accuracy
    even where nothing was cut. Which augmentation it was is told from the network itself: the one
    under which its statistics, estimated anew, come nearest to those it has (our design). A
    network without such statistics, and images that do not fit it, come back plain.
    """
    if len(images) < 2 or images.pixels.shape[1:] != model.input_shape:
        return images  # whoever needs them says what is wrong
    some, known = _spread(images, most), _statistics(model)
    if not known:
        return some
    few = _spread(some, _LOOKS * BATCH)
    kinds: tuple[Augmentation, ...] = get_args(Augmentation)
    apart = {k: _gap(known, _statistics(reestimate(model, _view(few, k)))) for k in kinds}
    return _view(some, min(kinds, key=lambda kind: apart[kind]))


def _spread(images: Images, most: int) -> Images:
    """At most ``most`` of ``images``, spread evenly over all of them."""
    if len(images) <= most:
        return images
    chosen = np.linspace(0, len(images) - 1, most).round().astype(np.int64)
    return replace(images, pixels=images.pixels[chosen], labels=images.labels[chosen])


def _view(images: Images, kind: Augmentation) -> Images:
    if kind == "none":
        return images
    everything, count = np.arange(len(images)), len(images)
    pixels = torch.from_numpy(images.pixels.copy())
    seen = augment(pixels, everything, kind=kind, seed=0, epoch=0, count=count)
    return replace(images, pixels=seen.numpy())


def _statistics(model: Model) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Mean and variance of every BatchNorm that keeps them."""
    norms: list[Any] = [m for m in model.module.modules() if isinstance(m, NORMS)]
    return [(n.running_mean, n.running_var) for n in norms if n.running_mean is not None]


def _gap(known: list, found: list) -> float:
    """Mean over norms and channels of (difference of means)^2 / variance + (log of the ratio of
    variances)^2."""
    total = 0.0
    for (mean, variance), (other_mean, other) in zip(known, found, strict=True):
        shift = (mean - other_mean).square() / (variance + 1e-5)
        spread = torch.log((variance + 1e-5) / (other + 1e-5)).square()
        total += float((shift + spread).double().mean())
    return total / len(known)
