"""Whether a written file computes what its network computes, at several batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfp_viz.errors import ModelError
from sfp_viz.nets.forward import (
    copy_module,
    first_line,
    floating_dtype,
    foreign_code,
    tensors_of,
)
from sfp_viz.nets.model import Model

BATCHES = (1, 3, 32)
LARGEST_DIFFERENCE = 1e-4  # of the outputs' scale; float32 rounding is below 1e-5


def check_parity(
    model: Model,
    run: Callable[[Tensor], Any],
    *,
    file: str,
    largest: float = LARGEST_DIFFERENCE,
    draw: Callable[[int], Tensor] | None = None,
) -> float:
    """The largest difference between the outputs of a file and of its network, measured at batches
    of 1, 3 and 32, as a share of each output's largest absolute value.

    Args:
        model: The network.
        run: What the file computes: the outputs for normalized images, float32 [N, C, H, W], as
            tensors or arrays.
        file: What the file is called, for the message.
        largest: The difference up to which the file is accepted.
        draw: Gives so many normalized images; None draws noise.

    Raises:
        ModelError: The file does not run at one of the batches, has other outputs there, or differs
            by more than ``largest``.
    """
    module = copy_module(model.module).cpu().eval()
    noise, dtype = torch.Generator().manual_seed(0), floating_dtype(module)
    most = 0.0
    for batch in BATCHES:
        images = draw(batch) if draw else torch.randn(batch, *model.input_shape, generator=noise)
        with torch.inference_mode():
            with foreign_code(f"The network '{model.name}' does not run with a batch of {batch}"):
                expected = [tensor.numpy() for tensor in tensors_of(module(images.to(dtype)))]
            try:
                outputs = [np.asarray(output) for output in _listed(run(images.to(dtype)))]
            except Exception as problem:  # runtimes raise whatever they like
                raise ModelError(
                    f"The {file} of '{model.name}' does not run with a batch of {batch}: "
                    f"{first_line(problem)}. It was not kept."
                ) from problem
        difference = relative_difference(expected, outputs)
        if not difference <= largest:
            raise ModelError(
                f"The {file} of '{model.name}' differs from the network by {difference:.2g} of the "
                f"outputs' scale with a batch of {batch}, more than {largest:g}. It was not kept."
            )
        most = max(most, difference)
    return most


def relative_difference(expected: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    """The largest absolute difference of two lists of outputs, as a share of the largest absolute
    value of each expected one; infinite where their shapes differ.

    Args:
        expected: The outputs of the network.
        outputs: Those of the file, in the same order.
    """
    if [array.shape for array in expected] != [array.shape for array in outputs]:
        return float("inf")
    shares = [0.0]
    for network, file in zip(expected, outputs, strict=True):
        values = network.astype(np.float64)
        scale = float(np.abs(values).max(initial=0)) or 1.0
        shares.append(float(np.abs(values - file.astype(np.float64)).max(initial=0)) / scale)
    return max(shares, key=lambda share: share if share == share else float("inf"))


def _listed(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else list(tensors_of(outputs))
