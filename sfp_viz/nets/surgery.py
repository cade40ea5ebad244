"""Cut a network by a plan, and prove that the cut one is what the plan meant."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from sfp_viz.core.network import Network
from sfp_viz.core.plan import Plan
from sfp_viz.errors import PlanError, SurgeryError
from sfp_viz.nets.channels import ChannelGroup, silence
from sfp_viz.nets.checking import disagreement
from sfp_viz.nets.compensation import compensate, reestimate
from sfp_viz.nets.data import Images
from sfp_viz.nets.execution import tensors_of
from sfp_viz.nets.groups import cut
from sfp_viz.nets.model import Model
from sfp_viz.nets.reading import channel_groups
from sfp_viz.nets.views import as_trained

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
    augmented as the network saw them in training (views.as_trained) unless ``plain``.
    With ``network``, the reading the plan was made on, a plan that cuts a group protected there
    is refused by name, instead of by the proof at the end.

    Raises PlanError when the plan does not fit, SurgeryError when the cut network does not
    compute what the whole one does with the same channels at 0.
    """
    if calibration is not None and not plain:
        calibration = as_trained(model, calibration)
    small, _ = compensated(model, plan, calibration=calibration, network=network)
    return small if calibration is None else reestimate(small, calibration)


def compensated(
    model: Model,
    plan: Plan,
    *,
    calibration: Images | None = None,
    network: Network | None = None,
) -> tuple[Model, tuple[str, ...]]:
    """``prune`` without the new estimate of BatchNorm statistics; and a sentence about each layer
    that could not be compensated as the recipe asks."""
    groups = _fitting(model, plan, network)
    removed = {removal.group: removal.filters for removal in plan.removals}
    module = copy.deepcopy(model.module).eval()
    added: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if calibration is not None:
        kind = plan.recipe.compensation
        added, notes = compensate(module, model, groups, removed, calibration, kind)
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
    small = model.with_module(
        module.train(model.module.training),
        plans=(*model.plans, plan),
        added_biases=(*model.added_biases, *added),
    )
    return small, notes


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
        {group.name: group.why for group in network.groups if group.protected} if network else {}
    )
    for removal in plan.removals:
        group = groups.get(removal.group)
        why = protected.get(removal.group) or (group.problem if group else "")
        if group is None:
            raise PlanError(
                f"The plan cuts a group '{removal.group}' that '{model.name}' does not have or "
                "that cannot be followed. Make it again from its recipe."
            )
        if why:
            raise PlanError(f"The plan cuts the protected group '{removal.group}'. {why}")
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
