"""Cut a network by a plan, and check that the cut one computes what the plan says."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import nn

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.prune_report import PruneReport
from sfp_viz.core.plan.recipe import REFITS, WITHOUT_IMAGES
from sfp_viz.errors import PlanError, SurgeryError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.forward import copy_module, floating_dtype, forward, noise, tensors_of
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.pruning.calibration import BATCH
from sfp_viz.nets.pruning.compensation import compensate, needs_images_note, reestimate
from sfp_viz.nets.pruning.cut_context import CutContext, cut_context
from sfp_viz.nets.pruning.least_squares import FitOptions
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.channel_groups import silence
from sfp_viz.nets.tracing.dependency_groups import cut as cut_channels
from sfp_viz.nets.tracing.read_network import TracedModel
from sfp_viz.nets.tracing.verification import output_gap

TOLERANCE = 1e-3  # float32, of the output's scale; rounding alone is below 1e-5


def prune(
    model: Model,
    plan: Plan,
    *,
    calibration: Images | None = None,
    network: Network | None = None,
    traced: TracedModel | None = None,
    plain: bool = False,
    reestimate_norms: bool = True,
    options: FitOptions | None = None,
) -> Model:
    """A smaller copy of ``model`` without the filters of ``plan``; ``model`` is left as it is.

    With ``calibration`` images, removed filters are compensated as the recipe says
    (compensation.compensate), and BatchNorm statistics are re-estimated. Without them only
    'merge' is done, and a UserWarning says what else the recipe asks for.

    Args:
        model: The network that the plan was made for.
        plan: Which filters to remove, and how to compensate them.
        calibration: Training images.
        network: The network as it was read for the plan; a plan that cuts a group protected
            there is then refused by name, instead of by the check at the end.
        traced: ``trace_model(model)``, to prune one network several times; traced here when left
            out.
        plain: Use the images as they are, instead of augmented as in training (as_trained).
        reestimate_norms: Re-estimate BatchNorm statistics.
        options: How least-squares compensations are fitted.

    Raises:
        PlanError: The plan does not fit the network.
        SurgeryError: The cut network does not compute what the whole one does with the same
            channels at 0.
        DataError: The images do not fit the network.
    """
    compensation = plan.recipe.compensation
    if calibration is None and plan.removals and compensation not in WITHOUT_IMAGES:
        warnings.warn(
            f"{needs_images_note(compensation)} Call prune with calibration=images.", stacklevel=2
        )
    return prune_with_report(
        model, plan, calibration=calibration, network=network, traced=traced, plain=plain,
        reestimate_norms=reestimate_norms, options=options,
    )[0]  # fmt: skip


def prune_with_report(
    model: Model,
    plan: Plan,
    *,
    calibration: Images | None = None,
    held_out: Images | None = None,
    network: Network | None = None,
    traced: TracedModel | None = None,
    plain: bool = False,
    compensated: bool = True,
    reestimate_norms: bool = True,
    options: FitOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[Model, PruneReport]:
    """``prune``, and a report on the compensation; what was left out is only in its notes.

    Args:
        model: See ``prune``.
        plan: See ``prune``.
        calibration: See ``prune``.
        held_out: Images that are not among those of the calibration. The errors of each refit
            are measured on up to 128 of them, augmented as in training; the network is the same
            to the bit.
        network: See ``prune``.
        traced: See ``prune``.
        plain: See ``prune``.
        compensated: Compensate as the recipe says; False only cuts.
        reestimate_norms: See ``prune``.
        options: See ``prune``.
        progress: Called with a line about each step.

    Raises:
        PlanError: See ``prune``.
        SurgeryError: See ``prune``.
        DataError: See ``prune``.
    """
    say = progress or (lambda line: None)
    if calibration is not None and not plain:
        say("Detecting how images were presented in training")
        calibration = as_trained(model, calibration)
    say("Finding the layers that are pruned together")
    cut = _context(model, plan, network, traced)
    kind = plan.recipe.compensation if compensated else "none"
    measured = held_out is not None and calibration is not None and kind in REFITS
    held_out = as_trained(model, held_out, BATCH) if held_out is not None and measured else None
    report = compensate(
        cut, calibration, kind, held_out=held_out, options=options, progress=progress
    )
    say("Pruning a copy and checking that it runs")
    _cut_and_check(cut)
    small = model.with_module(
        cut.module.train(model.module.training),
        plans=(*model.plans, plan),
        added_biases=(*model.added_biases, *report.added_biases),
    )
    if calibration is not None and reestimate_norms:
        small = reestimate(small, calibration, progress=progress)
    return small, report


def masked(model: Model, plan: Plan, network: Network | None = None) -> Model:
    """The uncut twin of ``prune``: all that writes the plan's channels is set to 0.

    It computes what the cut network computes, at the old size: slow, plain, for checking.

    Args:
        model: See ``prune``.
        plan: See ``prune``.
        network: See ``prune``.

    Raises:
        PlanError: See ``prune``.
    """
    cut = _context(model, plan, network)
    module = copy_module(model.module)
    silence(module, cut.groups, cut.removed, readers=True)
    return model.with_module(module)


def _cut_and_check(cut: CutContext) -> None:
    """Cut the removed channels out of the copy, in place; SurgeryError unless it then computes
    what it computes with them at 0."""
    name, module = cut.model.name, cut.module
    silence(module, cut.groups, cut.removed, readers=True)
    image = _image(cut.model, module)
    try:
        with torch.no_grad():
            silent = _outputs(module, image)
            cut_channels(module, cut.groups, cut.removed)
            gap = output_gap(silent, _outputs(module, image))
    except Exception as problem:  # a wrongly cut network may fail in any way
        raise SurgeryError(
            f"The pruned network '{name}' does not run: {problem}. Keep the groups around the "
            "named layer whole, or report this network."
        ) from problem
    if not gap <= TOLERANCE:
        raise SurgeryError(
            f"The pruned network '{name}' differs from the whole one with the same channels at 0 "
            f"by {gap:.2g} of its output's scale, more than {TOLERANCE:g}, so it was not returned. "
            "Read the network again; groups that cannot be cut are then protected."
        )


def _context(
    model: Model, plan: Plan, network: Network | None, traced: TracedModel | None = None
) -> CutContext:
    """The context of the plan's cut; PlanError when the plan does not fit ``model``."""
    check_model(model)
    if plan.digest != model.digest:
        raise PlanError(
            f"The plan was made for other weights ({plan.digest}) than those of '{model.name}' "
            f"({model.digest}). Make the plan again from its recipe."
        )
    removed = {removal.group: removal.filters for removal in plan.removals}
    cut = cut_context(model, removed, traced)
    groups = {group.name: group for group in cut.groups}
    protected = (
        {group.name: group.protection for group in network.groups if group.protected}
        if network
        else {}
    )
    for removal in plan.removals:
        group = groups.get(removal.group)
        problem = group.problem.label if group and group.problem else ""
        protection = protected.get(removal.group) or problem
        if group is None:
            raise PlanError(
                f"The plan cuts the group '{removal.group}', which '{model.name}' does not have or "
                "which cannot be traced. Make the plan again from its recipe."
            )
        if protection:
            raise PlanError(
                f"The plan cuts the protected group '{removal.group}' ({protection}). Make the "
                "plan again from its recipe."
            )
        unknown = [unit for unit in removal.filters if not 0 <= unit < group.size]
        if unknown:
            raise PlanError(
                f"The plan cuts filter {unknown[0]} of '{removal.group}', which has only the "
                f"filters 0 to {group.size - 1}. Make the plan again from its recipe."
            )
        if len(removal.filters) >= group.size:
            raise PlanError(f"The plan leaves no filter of '{removal.group}'. Keep at least one.")
    return cut


def _outputs(module: nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of the module as it is, or, for one of half precision, of a copy in float32."""
    is_half = floating_dtype(module).itemsize < image.dtype.itemsize
    return tensors_of(forward(copy_module(module, dtype=image.dtype) if is_half else module, image))


def _image(model: Model, module: nn.Module) -> torch.Tensor:
    dtype = torch.promote_types(floating_dtype(module), torch.float32)
    place = next(module.parameters(), torch.empty(0)).device
    return noise(model.input_shape, 1, dtype=dtype, device=place)
