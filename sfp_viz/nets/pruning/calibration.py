"""What all compensations share: calibration batches, who reads removed channels, where a constant
goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, channels_of, part_of
from sfp_viz.nets.tracing.execution import Execution

BATCH = 128
BATCHES = 20
NORMS = (nn.modules.batchnorm._BatchNorm,)


def calibration_batches(model: Model, images: Images, most: int = BATCHES) -> Iterator[Tensor]:
    """Up to ``most`` batches of 128 normalized images, spread evenly over all of them.

    Always the same ones in the same order. Raises DataError when the images do not fit.
    """
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


def readers(
    module: nn.Module, groups: Sequence[ChannelGroup], removed: Mapping[str, Sequence[int]]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The convolutions and linear layers that read removed channels, with those channels, sorted;
    and a sentence about each layer of another kind, which can make up for nothing."""
    lost: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for reach, channels in channels_of(groups, removed):
        part: Any = part_of(module, reach.name) if reach.side == "in" else None
        if isinstance(part, nn.Conv2d | nn.Linear):
            lost[reach.name] = np.union1d(lost.get(reach.name, channels), channels)
        elif part is not None:
            kind = type(part).__name__
            notes.append(f"'{reach.name}' ({kind}) cannot take up what the removed filters fed it.")
    return lost, tuple(dict.fromkeys(notes))


def name_behind(execution: Execution, name: str) -> str:
    """The BatchNorm that reads what the layer ``name`` puts out, when each of them runs once; ''
    when there is none, or when either runs more often and so serves others too."""
    norm = execution.norms.get(name, "")
    once = all(len(execution.calls.get(part, ())) == 1 for part in (name, norm))
    return norm if once else ""


def norm_behind(module: nn.Module, execution: Execution, name: str) -> Any:
    """The module of ``name_behind``; None when there is none."""
    behind = name_behind(execution, name)
    return module.get_submodule(behind) if behind else None


def absorb(part: Any, norm: Any, delta: Tensor) -> bool:
    """Add the constant ``delta`` [outputs] to what ``part`` puts out: into its bias, or out of the
    running mean of the BatchNorm ``norm`` behind it, or as a new bias. True for a new bias."""
    with torch.no_grad():
        if part.bias is not None:
            part.bias += delta.to(part.bias)
        elif isinstance(norm, NORMS) and norm.running_mean is not None:
            norm.running_mean -= delta.to(norm.running_mean)
        else:
            part.bias = nn.Parameter(delta.to(part.weight), part.weight.requires_grad)
            return True
    return False


def fed(part: Any, mean: Tensor) -> Tensor:
    """What constant inputs ``mean`` [inputs] add to each output of a layer, borders aside."""
    weight = part.weight.detach().double()
    blocks = getattr(part, "groups", 1)
    flat = weight.flatten(2).sum(2) if weight.ndim > 2 else weight
    by_block = flat.view(blocks, -1, flat.shape[1])
    return torch.einsum("boi,bi->bo", by_block, mean.view(blocks, -1)).flatten()


def input_means(
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
            for batch in calibration_batches(model, images):
                module(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: sums[name] / counts[name] for name in names}
