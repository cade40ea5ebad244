"""Make up for removed filters without training: the next layers adapted, fresh norms."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from sfp_viz.core.plan.recipe import WITHOUT_IMAGES, Compensation, left_out
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import (
    BATCHES,
    NORMS,
    absorb,
    calibration_batches,
    fed,
    input_means,
    norm_behind,
    readers,
)
from sfp_viz.nets.pruning.filter_merging import merge, scale
from sfp_viz.nets.pruning.layer_fits import LayerFit
from sfp_viz.nets.pruning.least_squares import refit
from sfp_viz.nets.tracing.channel_groups import ChannelGroup
from sfp_viz.nets.tracing.execution import execute

Removed = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Repair:
    """How a cut network was made up for what went: names of new biases, a sentence about all that
    was not done as asked, and the layers that were refitted, in forward order."""

    added: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    layers: tuple[LayerFit, ...] = ()


def compensate(
    module: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Removed,
    images: Images | None,
    kind: Compensation,
    *,
    held_out: Images | None = None,
    progress: Callable[[str], None] | None = None,
) -> Repair:
    """Adapt every reader of removed channels as ``kind`` says; in place on ``module``, a whole
    copy of ``model`` that is cut afterwards. ``removed`` maps group names to units.

    'none' nothing; 'bias' see fold_means; 'merge' and 'scale' see merging.py; 'lsq_channel' and
    'lsq_window' see least_squares.py. All are docs/method.md. Without ``images`` only 'merge' can
    be done; the notes say so of the others. With images ``held_out`` from the fit, refits are
    measured on them too. ``progress`` gets a line about each step that takes long.
    """
    if kind == "none" or not any(removed.values()):
        return Repair()
    if images is None and kind not in WITHOUT_IMAGES:
        return Repair(notes=(left_out(kind),))
    if kind == "merge":
        return Repair(notes=merge(module, groups, removed))
    assert images is not None
    if kind == "bias":
        return Repair(*fold_means(module, model, groups, removed, images))
    if kind == "scale":
        return Repair(*scale(module, model, groups, removed, images))
    made = refit(
        module, model, groups, removed, images,
        window=kind == "lsq_window", held_out=held_out, progress=progress,
    )  # fmt: skip
    return Repair(made.added, made.notes, made.layers)


def reestimate(model: Model, images: Images, batches: int = BATCHES) -> Model:
    """The same network with BatchNorm means and variances estimated anew (docs/method.md).

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
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Let every reader of the removed channels go on as if they fed their mean ('bias' of G.7).

    Works in place on ``module``, a whole copy of ``model``. For a reader y = W a + b the lost
    part sum_i W[:, i] E[a_i] goes into b, or out of the running mean of the BatchNorm behind it,
    or else into a new bias. Exact but for zero-padded borders. Returns the names of new biases,
    and a sentence about each layer that can take up nothing.
    """
    lost, notes = readers(module, groups, removed)
    means = input_means(module, model, tuple(lost), images)
    execution = execute(module, model.input_shape, name=model.name)
    added = []
    for name, channels in lost.items():
        part_mean = torch.zeros_like(means[name])
        part_mean[channels] = means[name][channels]
        delta = fed(module.get_submodule(name), part_mean)
        if absorb(module.get_submodule(name), norm_behind(module, execution, name), delta):
            added.append(f"{name}.bias")
    return tuple(added), notes
