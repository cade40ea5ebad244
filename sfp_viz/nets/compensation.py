"""Make up for removed filters without training: the next layers adapted, fresh norms."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from sfp_viz.core.recipe import Compensation
from sfp_viz.nets.calibration import (
    BATCHES,
    NORMS,
    absorb,
    calibration_batches,
    fed,
    input_means,
    norm_behind,
    readers,
)
from sfp_viz.nets.channels import ChannelGroup
from sfp_viz.nets.data import Images
from sfp_viz.nets.execution import execute
from sfp_viz.nets.least_squares import refit
from sfp_viz.nets.merging import merge, scale
from sfp_viz.nets.model import Model

Removed = Mapping[str, Sequence[int]]


def compensate(
    module: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Removed,
    images: Images,
    kind: Compensation,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Adapt every reader of removed channels as ``kind`` says; in place on ``module``, a whole
    copy of ``model`` that is cut afterwards. ``removed`` maps group names to units.

    'none' nothing; 'bias' see fold_means; 'merge' and 'scale' see merging.py; 'lsq_channel' and
    'lsq_window' see least_squares.py. All are methods.md G.7. Returns the names of new biases,
    and a sentence about each layer that could not be adapted as asked.
    """
    if kind == "none":
        return (), ()
    if kind == "bias":
        return fold_means(module, model, groups, removed, images), ()
    if kind == "merge":
        return (), merge(module, groups, removed)
    if kind == "scale":
        return scale(module, model, groups, removed, images)
    made = refit(module, model, groups, removed, images, window=kind == "lsq_window")
    return made.added, made.notes


def reestimate(model: Model, images: Images, batches: int = BATCHES) -> Model:
    """The same network with BatchNorm means and variances estimated anew (methods.md G.7).

    Statistics are reset and averaged with equal weight over ``batches`` of 128 images, always
    the same ones in the same order. Weights stay. A network without BatchNorm comes back as it is.
    """
    module = copy.deepcopy(model.module).eval()
    norms = [n for n in module.modules() if isinstance(n, NORMS) and n.track_running_stats]
    if not norms:
        return model
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    with torch.no_grad():
        for batch in calibration_batches(model, images, batches):
            module(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.with_module(module.train(model.module.training))


def fold_means(
    module: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Removed,
    images: Images,
) -> tuple[str, ...]:
    """Let every reader of the removed channels go on as if they fed their mean ('bias' of G.7).

    Works in place on ``module``, a whole copy of ``model``. For a reader y = W a + b the lost
    part sum_i W[:, i] E[a_i] goes into b, or out of the running mean of the BatchNorm behind it,
    or else into a new bias. Exact but for zero-padded borders. Returns the names of new biases.
    """
    lost, _ = readers(module, groups, removed)
    means = input_means(module, model, tuple(lost), images)
    execution = execute(module, model.input_shape, name=model.name)
    added = []
    for name, channels in lost.items():
        part_mean = torch.zeros_like(means[name])
        part_mean[channels] = means[name][channels]
        delta = fed(module.get_submodule(name), part_mean)
        if absorb(module.get_submodule(name), norm_behind(module, execution, name), delta):
            added.append(f"{name}.bias")
    return tuple(added)
