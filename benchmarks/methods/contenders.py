"""The methods of accuracy_at_cost: each takes a model, images and a target, and gives a cut model.

What a method does before fine-tuning is its own; BatchNorm is estimated anew on the same images
for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from methods import peers
from methods.ablations import ABLATIONS, Ablation
from torch import nn

import sfp_viz as sfp
from sfp_viz.core.evidence.evidence import Evidence, needs, scores_of
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import NAMED, Recipe
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.pruning.training_views import as_trained

Cut = Callable[[Model, Network, Images], Model]

_SAID: dict[tuple[int, float], torch.Tensor] = {}


class Remembering(nn.Module):
    """A frozen teacher that is asked once about each batch: the same seed shows the same batches
    to every method, so the answers are the same to the last bit."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        numbers = batch.double()
        weights = torch.arange(1, batch[0].numel() + 1, dtype=torch.float64)
        key = (len(batch), float((numbers.flatten(1) @ weights).square().sum()))
        if key not in _SAID:
            _SAID[key] = self.teacher(batch)
        return _SAID[key]


def contender(name: str, target: float, seed: int) -> Cut:
    """The method called ``name``: a named recipe, a peer, 'scratch' or 'functional:<ablation>'."""
    if name == "tp_group_local":
        return _by_peer(partial(peers.group_magnitude_local, target=target))
    if name == "tp_group_global":
        return _by_peer(partial(peers.group_magnitude_global, target=target))
    if name == "scratch":
        return _from_scratch(by_recipe(NAMED["functional"](target_reduction=target)), seed)
    if name == "unpruned":  # target 0: what the same fine-tuning makes of the whole network
        return lambda model, network, images: model
    if name == "tp_group_sparse":
        return _by_peer(partial(peers.group_norm_sparse, target=target), learns=True)
    if name.startswith("functional:"):
        return _ablated(name.removeprefix("functional:"), target)
    return by_recipe(NAMED[name](target_reduction=target, seed=seed if name == "random" else 0))


def by_recipe(recipe: Recipe, ablation: Ablation | None = None) -> Cut:
    """The cut that ``recipe`` makes, changed as ``ablation`` says."""
    ablation = ablation or Ablation()

    def cut(model: Model, network: Network, images: Images) -> Model:
        evidence = None
        if "observations" in needs(recipe):
            observed = observe(model, images, scores=scores_of(recipe))
            damage = ablation.damage(observed) if ablation.damage else None
            evidence = Evidence(observations=observed, damage=damage)
        plan = sfp.make_plan(network, sfp.analyze(network, recipe, evidence), recipe)
        return prune(
            model, plan, calibration=images, network=network, plain=ablation.plain,
            reestimate_norms=ablation.reestimate_norms, options=ablation.options,
        )  # fmt: skip

    return cut


def _ablated(name: str, target: float) -> Cut:
    if name not in ABLATIONS:
        raise SystemExit(f"There is no ablation '{name}'; known: {', '.join(ABLATIONS)}.")
    ablation = ABLATIONS[name]
    recipe = NAMED["functional"](target_reduction=target, **ablation.recipe)
    return by_recipe(recipe, ablation)


def _by_peer(cut_by: Callable[..., Model], *, learns: bool = False) -> Cut:
    """A peer's cut; one that ``learns`` gets the images too."""

    def cut(model: Model, network: Network, images: Images) -> Model:
        small = cut_by(model, network, **({"images": images} if learns else {}))
        return reestimate(small, as_trained(model, images))

    return cut


def _from_scratch(shape: Cut, seed: int) -> Cut:
    """The same shape with new weights: what 'Rethinking the Value of Network Pruning' asks for."""

    def cut(model: Model, network: Network, images: Images) -> Model:
        module = deepcopy(shape(model, network, images).module)
        torch.manual_seed(seed)
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                layer.reset_parameters()
        return model.with_module(module)

    return cut
