"""Calibration images as the network saw its images in training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import torch

from sfp_viz.core.training.distillation import Augmentation
from sfp_viz.nets.data.augmentation import augment
from sfp_viz.nets.data.compatibility import fits
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import BATCH, BATCHES
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.tracing.execution import BATCH_NORMS

_PROBE_BATCHES = 4  # on which the augmentation is recognized

Statistics = list[tuple[torch.Tensor, torch.Tensor]]  # mean and variance of each BatchNorm


def as_trained(model: Model, images: Images, most: int = BATCHES * BATCH) -> Images:
    """Images spread evenly over ``images``, augmented as in the training of ``model``.

    BatchNorm statistics belong to augmented images; estimated on plain ones they cost accuracy
    even where nothing was cut. The augmentation is recognized from the network itself: the one
    under which its statistics, re-estimated, come nearest to those it has (our design).

    Args:
        model: The network.
        images: Images to choose from.
        most: How many images to return at most.

    Returns:
        The augmented images; plain ones when the network has no BatchNorm statistics, or the
        images do not fit it.
    """
    if len(images) < 2 or not fits(model, images):
        return images  # whoever needs them says what is wrong
    chosen, statistics = _spread(images, most), _statistics(model)
    if not statistics:
        return chosen
    probe = _spread(chosen, _PROBE_BATCHES * BATCH)
    kinds: tuple[Augmentation, ...] = get_args(Augmentation)
    gaps = {
        kind: _gap(statistics, _statistics(reestimate(model, _augmented(probe, kind))))
        for kind in kinds
    }
    return _augmented(chosen, min(kinds, key=lambda kind: gaps[kind]))


def _spread(images: Images, most: int) -> Images:
    """At most ``most`` of ``images``, spread evenly over all of them."""
    if len(images) <= most:
        return images
    indices = np.linspace(0, len(images) - 1, most).round().astype(np.int64)
    return replace(images, pixels=images.pixels[indices], labels=images.labels[indices])


def _augmented(images: Images, kind: Augmentation) -> Images:
    if kind == "none":
        return images
    indices, count = np.arange(len(images)), len(images)
    pixels = torch.from_numpy(images.pixels.copy())
    augmented = augment(pixels, indices, kind=kind, seed=0, epoch=0, count=count)
    return replace(images, pixels=augmented.numpy())


def _statistics(model: Model) -> Statistics:
    """Mean and variance of every BatchNorm that keeps them."""
    norms: list[Any] = [m for m in model.module.modules() if isinstance(m, BATCH_NORMS)]
    return [(n.running_mean, n.running_var) for n in norms if n.running_mean is not None]


def _gap(statistics: Statistics, others: Statistics) -> float:
    """Mean over norms and channels of (difference of means)^2 / variance + (log of the ratio of
    variances)^2."""
    total = 0.0
    for (mean, variance), (other_mean, other_variance) in zip(statistics, others, strict=True):
        shift = (mean - other_mean).square() / (variance + 1e-5)
        spread = torch.log((variance + 1e-5) / (other_variance + 1e-5)).square()
        total += float((shift + spread).double().mean())
    return total / len(statistics)
