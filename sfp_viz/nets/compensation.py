"""Make up for removed filters without training: their mean into the next bias, fresh norms."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.errors import DataError
from sfp_viz.nets.channels import ChannelGroup, channels_of
from sfp_viz.nets.data import Images
from sfp_viz.nets.execution import execute
from sfp_viz.nets.model import Model

BATCH = 128
BATCHES = 20
_NORMS = (nn.modules.batchnorm._BatchNorm,)


def reestimate(model: Model, images: Images, batches: int = BATCHES) -> Model:
    """The same network with BatchNorm means and variances estimated anew (methods.md G.7).

    Statistics are reset and averaged with equal weight over ``batches`` of 128 images, always
    the same ones in the same order. Weights stay. A network without BatchNorm comes back as it is.
    """
    module = copy.deepcopy(model.module).eval()
    norms = [n for n in module.modules() if isinstance(n, _NORMS) and n.track_running_stats]
    if not norms:
        return model
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    with torch.no_grad():
        for batch in _batches(model, images, batches):
            module(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.with_module(module.train(model.module.training))


def fold_means(
    module: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Mapping[str, Sequence[int]],
    images: Images,
) -> tuple[str, ...]:
    """Let every reader of the removed channels go on as if they fed their mean ('bias' of G.7).

    Works in place on ``module``, a whole copy of ``model``. For a reader y = W a + b the lost
    part sum_i W[:, i] E[a_i] goes into b, or out of the running mean of the BatchNorm behind it,
    or else into a new bias. Exact but for zero-padded borders. Returns the names of new biases.
    """
    lost: dict[str, np.ndarray] = {}
    for reach, channels in channels_of(groups, removed):
        part: Any = module.get_submodule(reach.name) if reach.side == "in" else None
        if isinstance(part, nn.Conv2d | nn.Linear):
            lost[reach.name] = np.union1d(lost.get(reach.name, channels), channels)
    means = _input_means(module, model, tuple(lost), images)
    execution = execute(module, model.input_shape, name=model.name)
    added = []
    with torch.no_grad():
        for name, channels in lost.items():
            part = module.get_submodule(name)
            once = len(execution.calls.get(name, ())) == 1
            norm = module.get_submodule(execution.norms.get(name, "")) if once else None
            part_mean = torch.zeros_like(means[name])
            part_mean[channels] = means[name][channels]
            if _absorb(part, norm, _fed(part, part_mean)):
                added.append(f"{name}.bias")
    return tuple(added)


def _absorb(part: Any, norm: Any, delta: Tensor) -> bool:
    """Add the constant ``delta`` to what ``part`` puts out; True when that took a new bias."""
    if part.bias is not None:
        part.bias += delta.to(part.bias)
    elif isinstance(norm, _NORMS) and norm.running_mean is not None:
        norm.running_mean -= delta.to(norm.running_mean)
    else:
        part.bias = nn.Parameter(delta.to(part.weight))
        return True
    return False


def _fed(part: Any, mean: Tensor) -> Tensor:
    """What constant inputs ``mean`` [inputs] add to each output of a layer, borders aside."""
    weight = part.weight.double()
    blocks = getattr(part, "groups", 1)
    flat = weight.flatten(2).sum(2) if weight.ndim > 2 else weight
    by_block = flat.view(blocks, -1, flat.shape[1])
    return torch.einsum("boi,bi->bo", by_block, mean.view(blocks, -1)).flatten()


def _input_means(
    module: nn.Module, model: Model, names: Sequence[str], images: Images
) -> dict[str, Tensor]:
    """Mean of each input channel of the layers ``names`` over the calibration images, float64."""
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = dict.fromkeys(names, 0)

    def watch(name: str):
        def record(part: nn.Module, ins: tuple) -> None:
            axis = 1 if isinstance(part, nn.Conv2d) else ins[0].ndim - 1
            values = ins[0].double().mean([d for d in range(ins[0].ndim) if d != axis])
            sums[name] = sums.get(name, 0) + values * len(ins[0])
            counts[name] += len(ins[0])

        return record

    hooks = [module.get_submodule(n).register_forward_pre_hook(watch(n)) for n in names]
    try:
        with torch.no_grad():
            for batch in _batches(model, images, BATCHES):
                module(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: sums[name] / counts[name] for name in names}


def _batches(model: Model, images: Images, most: int) -> Iterator[Tensor]:
    """Up to ``most`` batches of 128 normalized images, spread evenly over all of them."""
    if images.pixels.shape[1:] != model.input_shape or len(images) < 2:
        raise DataError(
            f"Calibration of '{model.name}' needs two or more images of {model.input_shape} "
            f"(channels, height, width); '{images.name}' has {len(images)} of "
            f"{images.pixels.shape[1:]}."
        )
    size = min(BATCH, len(images))
    count = min(most, len(images) // size)
    chosen = np.linspace(0, len(images) - 1, count * size).round().astype(np.int64)
    device = next(model.module.parameters()).device
    for turn in range(count):  # every batch is spread over the data, whatever their order
        pixels = torch.from_numpy(images.pixels[chosen[turn::count]])
        yield model.normalize(pixels.to(device))
