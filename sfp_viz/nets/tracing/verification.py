"""The zeroed-channel check: is a cut network the same as the whole one with channels silenced?

Tracing can be wrong without an error (Torch-Pruning gives zero-padded shortcuts no offset), so
every group of every network is tried before it may be cut.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import CostTerm, FilterGroup, Network
from sfp_viz.errors import PlanError
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, silence
from sfp_viz.nets.tracing.dependency_groups import cut
from sfp_viz.nets.tracing.execution import BATCH_NORMS, execute, tensors_of

TOLERANCE = 1e-6  # in float64, of the output's scale; a wrong cut is off by 1e-3 and more
_SHARE = 3  # every third unit is cut


def failing_groups(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    groups: Sequence[ChannelGroup],
    terms: Sequence[CostTerm],
) -> frozenset[str]:
    """Names of the groups that cannot be cut correctly: values, MACs or params would be wrong.

    All groups are tried at once, and where that fails halves of them, on top of those already
    known to be right; so those that pass are right together. Weights are drawn anew in a copy,
    because dead filters or tiny scales would hide a mistake.

    Args:
        module: The network.
        input_shape: Channels, height and width of its images.
        groups: The groups to try.
        terms: What its operations should cost.
    """
    trial = _Trial(
        with_random_weights(module, input_shape) if groups else module,
        _images(input_shape, 1),
        Network(
            "trial",
            "",
            input_shape,
            (),
            tuple(FilterGroup(g.name, g.layers, g.size, repeats=g.repeats) for g in groups),
            tuple(terms),
        ),
    )
    right: list[ChannelGroup] = []
    wrong: set[str] = set()
    pending = [list(groups)] if groups else []
    while pending:
        batch = pending.pop()
        if trial.agrees([*right, *batch]):
            right += batch
        elif len(batch) == 1:
            wrong.add(batch[0].name)
        else:
            pending += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
    return frozenset(wrong)


def with_random_weights(module: nn.Module, input_shape: tuple[int, int, int]) -> nn.Module:
    """A copy in float64 and evaluation mode whose values are all drawn anew, from a fixed seed.

    Weights keep the scale of what they pass on; norms get statistics of random images, and
    gammas and betas that are neither 1 nor 0.

    Args:
        module: The network.
        input_shape: Channels, height and width of its images.
    """
    copied = copy.deepcopy(module).cpu().double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in copied.parameters():
            if parameter.ndim > 1 and min(parameter.shape[:2]) > 0 and parameter.numel() > 1:
                bound = (6 / max(1, parameter[0].numel())) ** 0.5
                if max(parameter.shape) < parameter.numel():
                    parameter.uniform_(-bound, bound, generator=generator)
                    continue
            parameter.uniform_(0.5, 1.5, generator=generator)
        norms = [layer for layer in copied.modules() if isinstance(layer, BATCH_NORMS)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            if norm.bias is not None:
                norm.bias.uniform_(-0.5, 0.5, generator=generator)
            if norm.track_running_stats:
                norm.reset_running_stats()
                norm.momentum = None
                norm.train()
        copied(_images(input_shape, 2))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
    return copied


def output_gap(outputs: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """Largest difference of two outputs, as a share of the first one's largest value.

    Args:
        outputs: All tensors of one output.
        others: Those of the other.

    Returns:
        0 or more; infinite when shapes differ or a value is not a number.
    """
    if [tensor.shape for tensor in outputs] != [tensor.shape for tensor in others]:
        return float("inf")
    worst = 0.0
    for output, other in zip(outputs, others, strict=True):
        scale = output.abs().max().item() or 1.0
        gap = (output - other).abs().max().item() / scale
        worst = max(worst, gap if gap == gap else float("inf"))
    return worst


@dataclass(frozen=True)
class _Trial:
    """A network with random weights, an image, and what its cuts should cost."""

    module: nn.Module
    images: Tensor
    network: Network

    def agrees(self, groups: Sequence[ChannelGroup]) -> bool:
        """Whether a cut of every third unit of ``groups`` has the right values and costs."""
        generator = np.random.default_rng(0)
        removed = {
            group.name: generator.choice(
                group.size, max(1, group.size // _SHARE), replace=False
            ).tolist()
            for group in groups
        }
        module = copy.deepcopy(self.module)
        try:
            with torch.no_grad():
                silence(module, groups, removed)
                silent = tensors_of(module(self.images))
                cut(module, groups, removed)
                gap = output_gap(silent, tensors_of(module(self.images)))
        except Exception:  # a wrongly cut network may fail in any way
            return False
        kept = {group.name: group.size - len(removed[group.name]) for group in groups}
        return gap <= TOLERANCE and self._costs(module, kept)

    def _costs(self, module: nn.Module, kept: Mapping[str, int]) -> bool:
        """Whether the cost terms give the MACs and params that the cut module really has."""
        try:
            cost = cost_of_widths(self.network, kept)
        except PlanError:  # widths that do not divide into conv_groups
            return False
        params = sum(parameter.numel() for parameter in module.parameters())
        macs = execute(module, self.network.input_shape).macs
        return (cost.macs, cost.params) == (macs, params)


def _images(input_shape: tuple[int, int, int], count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *input_shape, generator=generator, dtype=torch.float64)
