"""Calibration batches, the means of what layers read on them, and constants added to layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.nets.data.compatibility import check_shape
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.execution import BATCH_NORMS

BATCH = 128
BATCHES = 20


def calibration_batches(model: Model, images: Images, most: int = BATCHES) -> Iterator[Tensor]:
    """Batches of normalized calibration images, always the same ones in the same order.

    Args:
        model: The network; batches are put on its device.
        images: Images to choose from. Every batch is spread evenly over all of them.
        most: How many batches of 128 images to yield at most.

    Yields:
        One batch [images, channels, height, width].

    Raises:
        DataError: The images have another size than the network's input, or are fewer than two.
    """
    check_shape(model, images, purpose="Calibration", least=2)
    size = min(BATCH, len(images))
    count = min(most, len(images) // size)
    indices = np.linspace(0, len(images) - 1, count * size).round().astype(np.int64)
    device = next(model.module.parameters()).device
    for turn in range(count):
        pixels = torch.from_numpy(images.pixels[indices[turn::count]])
        yield model.normalize(pixels.to(device))


def add_constant(layer: Any, norm: Any, constant: Tensor) -> bool:
    """Add a constant to what a layer puts out, in place.

    Args:
        layer: A convolution or linear layer.
        norm: The BatchNorm that reads its output and nothing else, or None.
        constant: What to add to each output [outputs].

    Returns:
        True when the layer got a new bias: it has none, and no norm whose running mean could take
        the constant.
    """
    with torch.no_grad():
        if layer.bias is not None:
            layer.bias += constant.to(layer.bias)
        elif isinstance(norm, BATCH_NORMS) and norm.running_mean is not None:
            norm.running_mean -= constant.to(norm.running_mean)
        else:
            layer.bias = nn.Parameter(constant.to(layer.weight), layer.weight.requires_grad)
            return True
    return False


def constant_outputs(layer: Any, constant_inputs: Tensor) -> Tensor:
    """What constant inputs add to each output of a layer, away from padded borders.

    Args:
        layer: A convolution or linear layer.
        constant_inputs: The value of each input channel or feature, float64 [inputs].

    Returns:
        float64 [outputs].
    """
    weight = layer.weight.detach().double()
    blocks = getattr(layer, "groups", 1)
    flat = weight.flatten(2).sum(2) if weight.ndim > 2 else weight
    by_block = flat.view(blocks, -1, flat.shape[1])
    return torch.einsum("boi,bi->bo", by_block, constant_inputs.view(blocks, -1)).flatten()


def input_means(
    module: nn.Module, model: Model, names: Sequence[str], images: Images
) -> dict[str, Tensor]:
    """Mean of each input channel of some layers over the calibration images.

    Args:
        module: The module to run, a copy of that of ``model``.
        model: The network, for its input size and normalization.
        names: The layers: convolutions or linear layers.
        images: Calibration images.

    Returns:
        The means by layer, float64 [inputs].

    Raises:
        DataError: The images do not fit the network.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = dict.fromkeys(names, 0)

    def hook(name: str):
        def add_inputs(layer: nn.Module, args: tuple) -> None:
            inputs = args[0]
            axis = 1 if isinstance(layer, nn.Conv2d) else inputs.ndim - 1
            means = inputs.double().mean([d for d in range(inputs.ndim) if d != axis])
            sums[name] = sums.get(name, 0) + means * len(inputs)
            counts[name] += len(inputs)

        return add_inputs

    handles = [module.get_submodule(n).register_forward_pre_hook(hook(n)) for n in names]
    try:
        with torch.no_grad():
            for batch in calibration_batches(model, images):
                module(batch)
    finally:
        for handle in handles:
            handle.remove()
    return {name: sums[name] / counts[name] for name in names}
