"""Ours in two steps within the same budget: a part of the cut, some epochs, the rest of the cut,
the remaining epochs. Each step looks at the network as it then is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from methods.contenders import by_recipe

from sfp_viz.core.plan.recipe import functional
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_macs
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.distill import Training

METHODS = {  # share of the cut in the first step, epochs after it
    "functional:two_steps": (0.6, 2),
    "functional:half_step": (0.5, 1),
}


def cut_in_steps(
    method: str, model: Model, train: Images, target: float, tuning: Distillation, teacher: Model
) -> tuple[Model, Distillation]:
    """The network after both cuts, and the settings of the rest of the budget."""
    share, epochs = METHODS[method]
    cut = partial(_cut, train=train)
    first = cut(model, share * target)
    settings = replace(tuning, epochs=epochs)
    training = Training(first, teacher=teacher, train=train, test=train.first(0), settings=settings)
    while training.done < epochs:
        training.epoch()
    tuned = training.model()
    remaining = 1 - (1 - target) * count_macs(model) / count_macs(tuned)
    return cut(tuned, remaining), replace(tuning, epochs=tuning.epochs - epochs)


def _cut(model: Model, target: float, *, train: Images) -> Model:
    return by_recipe(functional(target_reduction=target))(model, read_network(model), train)
