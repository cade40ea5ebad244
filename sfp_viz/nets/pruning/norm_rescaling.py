"""Keep the scale of a refitted layer through the BatchNorm behind it (our design).

A fit puts out less variance than what it was fitted to: it leaves out what it cannot know. A
BatchNorm whose statistics are then estimated anew would blow it up again to full size, error and
all. So the norm's scale takes up the lost variance: as a function the layer stays as fitted, in
training mode too. On the published ResNet-20 with half of its MACs gone this is worth more than
the fit itself (docs/method.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def put_out(part: Any, inputs: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance, float64 [channels], of what the convolution ``part`` makes of
    ``inputs``."""
    count, first, second = 0, torch.zeros(()), torch.zeros(())
    with torch.no_grad():
        for given in inputs:
            values = part(given).transpose(0, 1).flatten(1).double()
            count += values.shape[1]
            first = first + values.sum(1)
            second = second + values.square().sum(1)
    mean = first / count
    return mean, (second / count - mean.square()).clamp_min(0)


def hold_scale(norm: Any, before: Any, mean: Tensor, variance: Tensor, constant: Tensor) -> None:
    """Let ``norm``, with the statistics of what it reads now, do what ``before`` does with its
    own: y -> gamma / s0 * (y + constant - m0) + beta, for y of ``mean`` and ``variance``.

    With s = sqrt(variance + eps): gamma' = gamma s / s0, beta' = beta + gamma / s0 (mean +
    constant - m0). ``constant`` [channels] is what the fit adds and the layer itself does not. A
    norm without scale and shift, or without statistics, stays as it is.
    """
    if norm.weight is None or norm.bias is None or before.running_var is None:
        return
    now = torch.sqrt(variance + norm.eps)
    then = torch.sqrt(before.running_var.double() + before.eps)
    gamma = norm.weight.detach().double()
    shift = mean + constant.to(mean) - before.running_mean.double()
    with torch.no_grad():
        norm.bias += (gamma / then * shift).to(norm.bias)
        norm.weight.copy_(gamma * now / then)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
