"""Other people's pruning, run by their own code, at the same cost as ours."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
import torch_pruning
from torch import nn
from torch.nn import functional

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.nets.data.augmentation import augment
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_macs
from sfp_viz.nets.model import Model

_STEPS = 14  # halvings of the ratio
SPARSE_EPOCHS = 2  # of sparse learning, before the cut


def group_magnitude_global(model: Model, network: Network, target: float) -> Model:
    """Torch-Pruning's GroupMagnitude with one threshold for the whole network."""
    wanted = (1 - target) * count_macs(model)
    low, high, best = 0.0, 0.95, model
    for _ in range(_STEPS):
        ratio = (low + high) / 2
        tried = _cut(model, network, ratio, everywhere=True)
        if count_macs(tried) <= wanted:
            best, high = tried, ratio
        else:
            low = ratio
    return best


def group_magnitude_local(model: Model, network: Network, target: float) -> Model:
    """Torch-Pruning's GroupMagnitude with the same ratio in every layer.

    Single filters are given back layer by layer (its ``pruning_ratio_dict``) until the cost is
    within one filter of the target, so that it is compared at equal cost.
    """
    return _cut(model, network, uniform_widths(network, target), everywhere=False)


def group_norm_sparse(model: Model, network: Network, images: Images, target: float) -> Model:
    """Torch-Pruning's GroupNormPruner: its sparse learning first, then its cut, one ratio.

    Sparse learning is as in its own example (regularize between backward and step, coefficients
    refreshed each epoch) on the first 10,000 images for two epochs, which the other methods do
    not get: fine-tuning afterwards is as long as theirs.
    """
    widths = uniform_widths(network, target)
    module = deepcopy(model.module)
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    kind = torch_pruning.pruner.GroupNormPruner
    pruner = _pruner(kind, module, model, network, widths, importance, reg=5e-4)
    _learn_sparsely(module, pruner, model, images.first(10_000))
    module.eval()
    pruner.step()
    return model.with_module(module)


def _learn_sparsely(module: nn.Module, pruner: Any, model: Model, images: Images) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    pixels, labels = torch.from_numpy(images.pixels.copy()), torch.from_numpy(images.labels.copy())
    module.train()
    for epoch in range(SPARSE_EPOCHS):
        pruner.update_regularizer()
        for chosen in torch.randperm(len(images)).split(128):
            inputs = augment(
                pixels, chosen.numpy(), kind="crop_flip", seed=0, epoch=epoch, count=len(images)
            )
            loss = functional.cross_entropy(module(model.normalize(inputs)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            pruner.regularize(module)
            optimizer.step()


def uniform_widths(network: Network, target: float) -> dict[str, int]:
    """Widths of the largest common share that meets the target, then single filters in turn."""
    wanted = (1 - target) * cost_of_widths(network, {}).macs
    low, high = 0.0, 1.0
    for _ in range(40):
        share = (low + high) / 2
        kept = {g.name: max(1, int(share * g.size)) for g in network.free if len(g.layers) == 1}
        low, high = (share, high) if cost_of_widths(network, kept).macs <= wanted else (low, share)
    kept = {g.name: max(1, int(low * g.size)) for g in network.free if len(g.layers) == 1}
    for name in kept:
        more = {**kept, name: min(kept[name] + 1, network.group(name).size)}
        if cost_of_widths(network, more).macs <= wanted:
            kept = more
    return kept


def _cut(
    model: Model, network: Network, ratio: float | Mapping[str, int], *, everywhere: bool
) -> Model:
    module = deepcopy(model.module)
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    kind = torch_pruning.pruner.BasePruner
    pruner = _pruner(kind, module, model, network, ratio, importance, global_pruning=everywhere)
    pruner.step()
    return model.with_module(module.eval())


def _pruner(
    kind: Any,
    module: nn.Module,
    model: Model,
    network: Network,
    ratio: float | Mapping[str, int],
    importance: Any,
    **more: Any,
) -> Any:
    """A pruner of theirs: what ours leaves whole (stem, residual stream, classifier) stays whole
    here; ``ratio`` is one for all, or the kept filters of each group."""
    parts = dict(module.named_modules())
    free = {g.name for g in network.free if len(g.layers) == 1}
    spared: list[nn.Module] = [
        p for n, p in parts.items() if isinstance(p, nn.Conv2d | nn.Linear) and n not in free
    ]
    each = None
    if isinstance(ratio, Mapping):
        each = {parts[n]: _share(network.group(n).size, k) for n, k in ratio.items()}
    return kind(
        module,
        torch.zeros(1, *model.input_shape),
        importance=importance,
        pruning_ratio=ratio if isinstance(ratio, float) else 0.0,
        pruning_ratio_dict=each,
        max_pruning_ratio=0.95,
        ignored_layers=spared,
        **more,
    )


def _share(size: int, kept: int) -> float:
    """A ratio that Torch-Pruning's rounding down turns into exactly ``size - kept`` filters."""
    return min(0.95, max(0.0, size - kept - 0.01) / size)
