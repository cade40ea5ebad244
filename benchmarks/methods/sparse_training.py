"""The two systems that prune while training, within the budget that the others tune with.

SSR (Lin et al. 2019) and multi-granularity pruning (Liu & Chen 2023) make the network sparse in
the first ``SHARE`` of the epochs, are cut, and are fine-tuned in the rest of them: the same number
of epochs on the same images as a method that cuts first and tunes afterwards. All else is as for
those: layers left whole, target of MACs, BatchNorm estimated anew after the cut, distillation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sfp_viz.core.cost.stripes import stripe_cost
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import sparse_settings
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.sparsity.sparse_training import SparseTraining
from sfp_viz.nets.stripes.striped_model import freeze_stripes
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.distill import Training

SHARE = 0.6  # of the epochs; the rest is fine-tuning
METHODS: dict[str, dict[str, Any]] = {
    "ssr_l21": {"method": "ssr_l21", "finish": "target", "refresh": 10},
    "ssr_l20": {"method": "ssr_l20", "finish": "target", "refresh": 10},
    "ssr_projection": {"method": "ssr_projection", "refresh": 10},
    "group_lasso": {"method": "group_lasso", "finish": "target", "refresh": 10},
    "multi_granularity": {"method": "stripes", "refresh": 10, "reactivation": 1},
}


def thinned(
    method: str,
    model: Model,
    train: Images,
    target: float,
    tuning: Distillation,
    *,
    strength: float | None = None,
) -> tuple[Model, Distillation]:
    """The network after its sparse training, cut; and the settings of the rest of the budget.
    ``strength`` is the penalty's lambda; None takes the method's own."""
    epochs = max(1, round(SHARE * tuning.epochs))
    settings = sparse_settings(
        **METHODS[method], strength=strength, target_reduction=target,
        epochs=epochs, seed=tuning.seed,
        learning_rate=tuning.learning_rate, batch_size=tuning.batch_size,
        train_images=tuning.train_images, augmentation=tuning.augmentation, test_images=0,
    )  # fmt: skip
    training = SparseTraining(model, train=train, test=train.first(0), settings=settings)
    for _ in training.records():
        pass
    sparse, plan = training.result()
    small = reestimate(prune(sparse, plan), as_trained(model, train))
    return small, replace(tuning, epochs=max(1, tuning.epochs - epochs))


def freeze_dead_stripes(training: Training, method: str) -> Training:
    """``training`` with the stripes that are 0 kept there."""
    if method == "multi_granularity":
        freeze_stripes(training.module)
    return training


def macs_of(model: Model) -> int:
    """MACs without stripes that are 0; of a network without any, its MACs."""
    return stripe_cost(read_network(model)).macs
