"""Make up for removed filters without training: adapt the next layers, re-estimate BatchNorm."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sfp_viz.core.plan.prune_report import PruneReport
from sfp_viz.core.plan.recipe import WITHOUT_IMAGES, Compensation
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import (
    BATCHES,
    add_constant,
    calibration_batches,
    constant_outputs,
    input_means,
)
from sfp_viz.nets.pruning.cut_context import CutContext
from sfp_viz.nets.pruning.filter_merging import merge, scale
from sfp_viz.nets.pruning.least_squares import FitOptions, refit
from sfp_viz.nets.tracing.execution import BATCH_NORMS


def needs_images_note(kind: Compensation) -> str:
    """The note on a compensation that was not done for want of calibration images."""
    return (
        f"The pruned filters are not compensated: the recipe's '{kind}' needs images, and none "
        "were given."
    )


def compensate(
    cut: CutContext,
    images: Images | None,
    kind: Compensation,
    *,
    held_out: Images | None = None,
    options: FitOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> PruneReport:
    """Adapt every reader of removed channels, in place on the copy that is cut (docs/method.md).

    Args:
        cut: The cut; its copy is cut afterwards.
        images: Calibration images. Without them only 'merge' is done; the notes say so.
        kind: 'none' nothing; 'bias' see ``fold_means``; 'merge' and 'scale' see
            filter_merging.py; 'lsq_channel' and 'lsq_window' see least_squares.py.
        held_out: Images that are not among ``images``; refits are measured on them too.
        options: How layers are refitted.
        progress: Called with a line about each step that takes long.
    """
    if kind == "none" or not any(cut.removed.values()):
        return PruneReport()
    if images is None and kind not in WITHOUT_IMAGES:
        return PruneReport(notes=(needs_images_note(kind),))
    if kind == "merge":
        return merge(cut)
    assert images is not None
    if kind == "bias":
        return fold_means(cut, images)
    if kind == "scale":
        return scale(cut, images)
    return refit(
        cut, images,
        window=kind == "lsq_window", held_out=held_out, options=options, progress=progress,
    )  # fmt: skip


def reestimate(
    model: Model,
    images: Images,
    batches: int = BATCHES,
    progress: Callable[[str], None] | None = None,
) -> Model:
    """The same network with BatchNorm means and variances re-estimated (docs/method.md).

    Statistics are reset and averaged with equal weight over the calibration batches. All other
    weights stay the same. A network without BatchNorm statistics comes back as it is.

    Args:
        model: The network.
        images: Calibration images.
        batches: How many batches of 128 images to use at most.
        progress: Called with a line if there are such statistics.

    Raises:
        DataError: The images do not fit the network.
    """
    module = copy_module(model.module).eval()
    norms = [n for n in module.modules() if isinstance(n, BATCH_NORMS) and n.track_running_stats]
    if not norms:
        return model
    if progress:
        progress("Re-estimating BatchNorm statistics")
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


def fold_means(cut: CutContext, images: Images) -> PruneReport:
    """Let every reader of removed channels go on as if they still fed it their mean.

    Works in place on the copy. For a reader y = W a + b the lost part sum_i W[:, i] E[a_i] goes
    into b, or out of the running mean of the BatchNorm behind it, or else into a new bias. Exact
    except at zero-padded borders.

    Args:
        cut: The cut.
        images: Calibration images, for the means E[a_i].

    Raises:
        DataError: The images do not fit the network.
    """
    means = input_means(cut.module, cut.model, tuple(cut.readers), images)
    added = []
    for name, channels in cut.readers.items():
        lost_means = torch.zeros_like(means[name])
        lost_means[channels] = means[name][channels]
        constant = constant_outputs(cut.layer(name), lost_means)
        if add_constant(cut.layer(name), cut.norm(name), constant):
            added.append(f"{name}.bias")
    return PruneReport(tuple(added), cut.notes)
