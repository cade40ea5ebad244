"""Cut a network by a plan, and prove that the cut one is what the plan meant."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import nn

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import REFITS, left_out
from sfp_viz.errors import PlanError, SurgeryError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import BATCH
from sfp_viz.nets.pruning.compensation import Removed, Repair, compensate, reestimate
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, silence
from sfp_viz.nets.tracing.dependency_groups import cut
from sfp_viz.nets.tracing.execution import tensors_of
from sfp_viz.nets.tracing.read_network import channel_groups
from sfp_viz.nets.tracing.verification import disagreement

TOLERANCE = 1e-3  # float32, of the output's scale; rounding alone stays below 1e-5


def prune(
    model: Model,
    plan: Plan,
    *,
    calibration: Images | None = None,
    network: Network | None = None,
    plain: bool = False,
) -> Model:
    """A smaller copy of ``model`` without the filters of ``plan``; ``model`` is left as it is.

    With ``calibration`` images, what the removed filters fed forward is made up for as the recipe
    says (compensation.compensate), and BatchNorm statistics are estimated anew; the images are
    augmented as the network saw them in training (views.as_trained) unless ``plain``. Without
    them only 'merge' is done, and a UserWarning says what the recipe asked for besides.
    With ``network``, the reading the plan was made on, a plan that cuts a group protected there
    is refused by name, instead of by the proof at the end.

    Raises PlanError when the plan does not fit, SurgeryError when the cut network does not
    compute what the whole one does with the same channels at 0.
    """
    undone = left_out(plan.recipe.compensation) if calibration is None and plan.removals else ""
    if undone:
        warnings.warn(f"{undone} Call prune with calibration=images.", stacklevel=2)
    return pruned(model, plan, calibration=calibration, network=network, plain=plain)[0]


def pruned(
    model: Model,
    plan: Plan,
    *,
    calibration: Images | None = None,
    held_out: Images | None = None,
    network: Network | None = None,
    plain: bool = False,
    progress: Callable[[str], None] | None = None,
) -> tuple[Model, Repair]:
    """``prune``, and how what went was made up for: what was left out is said in the notes alone.

    With images ``held_out`` besides, which must not be among those of the calibration, each refit
    is measured on up to 128 of them; the network stays the same to the bit. ``progress`` gets a
    line about each step.
    """
    say = progress or (lambda line: None)
    if calibration is not None and not plain:
        say("Finding out how the images looked in training")
        calibration = as_trained(model, calibration)
    small, repair = compensated(
        model, plan, calibration=calibration, held_out=held_out, network=network, progress=progress
    )
    if calibration is not None:
        say("Estimating BatchNorm anew")
        small = reestimate(small, calibration)
    return small, repair


def compensated(
    model: Model,
    plan: Plan,
    *,
    calibration: Images | None = None,
    held_out: Images | None = None,
    network: Network | None = None,
    repair: bool = True,
    progress: Callable[[str], None] | None = None,
) -> tuple[Model, Repair]:
    """``pruned`` without the new estimate of BatchNorm statistics, on the images as they are (but
    for those ``held_out``, which are augmented as in training); without ``repair`` nothing makes
    up for what went."""
    if progress:
        progress("Finding what is cut together")
    groups = _fitting(model, plan, network)
    removed = {removal.group: removal.filters for removal in plan.removals}
    module = copy.deepcopy(model.module).eval()
    kind = plan.recipe.compensation if repair else "none"
    fitted = calibration is not None and kind in REFITS
    seen = as_trained(model, held_out, BATCH) if fitted and held_out is not None else None
    made = compensate(
        module, model, groups, removed, calibration, kind, held_out=seen, progress=progress
    )
    if progress:
        progress("Cutting a copy and checking that it runs")
    _cut_and_proven(module, model, groups, removed)
    small = model.with_module(
        module.train(model.module.training),
        plans=(*model.plans, plan),
        added_biases=(*model.added_biases, *made.added),
    )
    return small, made


def _cut_and_proven(
    module: nn.Module, model: Model, groups: Sequence[ChannelGroup], removed: Removed
) -> None:
    """Take the removed channels of ``module`` out, in place; SurgeryError unless it then computes
    what it does with them at 0."""
    silence(module, groups, removed)
    image = _image(model, module)
    try:
        with torch.no_grad():
            silent = tensors_of(module(image))
            cut(module, groups, removed)
            gap = disagreement(silent, tensors_of(module(image)))
    except Exception as problem:  # a wrongly cut network may fail in any way
        raise SurgeryError(
            f"The cut network '{model.name}' does not run: {problem}. Leave the groups around "
            "the named layer whole, or report this network."
        ) from problem
    if not gap <= TOLERANCE:
        raise SurgeryError(
            f"The cut network '{model.name}' differs from the whole one with the same channels at "
            f"0 by {gap:.2g} of its output's scale (most allowed: {TOLERANCE:g}), so it was not "
            "handed out. Read the network again; groups that cannot be cut are protected there."
        )


def masked(model: Model, plan: Plan, network: Network | None = None) -> Model:
    """The uncut twin of ``prune``: all that writes the plan's channels is set to 0.

    It computes what the cut network computes, at the old size: slow, plain, for checking.
    """
    groups = _fitting(model, plan, network)
    module = copy.deepcopy(model.module)
    silence(module, groups, {removal.group: removal.filters for removal in plan.removals})
    return model.with_module(module)


def _fitting(model: Model, plan: Plan, network: Network | None) -> Sequence[ChannelGroup]:
    """The traced groups of ``model``; PlanError when ``plan`` cannot be carried out on them."""
    if plan.digest != model.digest:
        raise PlanError(
            f"The plan was made for other weights ({plan.digest}) than those of '{model.name}' "
            f"({model.digest}). Make it again from its recipe."
        )
    groups = {group.name: group for group in channel_groups(model)}
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
                f"The plan cuts a group '{removal.group}' that '{model.name}' does not have or "
                "that cannot be followed. Make it again from its recipe."
            )
        if protection:
            raise PlanError(f"The plan cuts the protected group '{removal.group}' ({protection}).")
        strange = [unit for unit in removal.filters if not 0 <= unit < group.size]
        if strange:
            raise PlanError(
                f"The plan cuts filter {strange[0]} of '{removal.group}', which has the "
                f"filters 0 to {group.size - 1}."
            )
        if len(removal.filters) >= group.size:
            raise PlanError(f"The plan leaves no filter of '{removal.group}'; one has to stay.")
    return list(groups.values())


def _image(model: Model, module: nn.Module) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    image = torch.randn(1, *model.input_shape, generator=source)
    first = next(module.parameters())
    return image.to(device=first.device, dtype=first.dtype)
