"""The zeroed-channel check: is a cut network the same as the whole one with channels silenced?

Tracing can be wrong without an error (Torch-Pruning gives zero-padded shortcuts no offset), so
every group of every network is tried before it may be cut.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.cost import cost_of_widths
from sfp_viz.core.network import CostTerm, FilterGroup, Network
from sfp_viz.nets.channels import ChannelGroup, silence
from sfp_viz.nets.execution import execute, tensors_of
from sfp_viz.nets.groups import cut

TOLERANCE = 1e-6  # in float64, of the output's scale; a wrong cut is off by 1e-3 and more
_SHARE = 3  # every third unit is cut
_NORMS = (nn.modules.batchnorm._BatchNorm,)


def wrongly_cut(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    groups: Sequence[ChannelGroup],
    terms: Sequence[CostTerm],
) -> frozenset[str]:
    """Names of the ``groups`` that cannot be cut rightly: values, MACs or params would be off.

    All groups are tried at once, and halves of them where that fails. Weights are drawn anew in
    a copy, because dead filters or tiny scales would hide a mistake.
    """
    if not groups:
        return frozenset()
    drawn = redrawn(module, input_shape)
    images = _images(input_shape, 1)
    if _agrees(drawn, images, groups, terms):
        return frozenset()
    pending, wrong = [groups], set()
    while pending:
        some = pending.pop()
        if some is not groups and _agrees(drawn, images, some, terms):
            continue
        if len(some) == 1:
            wrong.add(some[0].name)
            continue
        pending += [some[: len(some) // 2], some[len(some) // 2 :]]
    rest = [group for group in groups if group.name not in wrong]
    if rest and not _agrees(drawn, images, rest, terms):  # each alone is right, together not
        wrong |= {group.name for group in rest}
    return frozenset(wrong)


def redrawn(module: nn.Module, input_shape: tuple[int, int, int]) -> nn.Module:
    """A copy in float64 and evaluation mode whose values are all drawn anew, from a fixed seed.

    Weights keep the scale of what they pass on; norms get statistics of random images, and
    gammas and betas that are neither 1 nor 0.
    """
    drawn = copy.deepcopy(module).cpu().double().eval()
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in drawn.parameters():
            if parameter.ndim > 1 and min(parameter.shape[:2]) > 0 and parameter.numel() > 1:
                reach = (6 / max(1, parameter[0].numel())) ** 0.5
                if max(parameter.shape) < parameter.numel():
                    parameter.uniform_(-reach, reach, generator=source)
                    continue
            parameter.uniform_(0.5, 1.5, generator=source)
        norms = [part for part in drawn.modules() if isinstance(part, _NORMS)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            if norm.bias is not None:
                norm.bias.uniform_(-0.5, 0.5, generator=source)
            if norm.track_running_stats:
                norm.reset_running_stats()
                norm.momentum = None
                norm.train()
        drawn(_images(input_shape, 2))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
    return drawn


def disagreement(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Largest difference of two outputs, as a share of the first one's largest value."""
    if [tensor.shape for tensor in one] != [tensor.shape for tensor in other]:
        return float("inf")
    worst = 0.0
    for first, second in zip(one, other, strict=True):
        scale = first.abs().max().item() or 1.0
        gap = (first - second).abs().max().item() / scale
        worst = max(worst, gap if gap == gap else float("inf"))
    return worst


def _agrees(
    drawn: nn.Module, images: Tensor, groups: Sequence[ChannelGroup], terms: Sequence[CostTerm]
) -> bool:
    source = np.random.default_rng(0)
    removed = {
        group.name: np.sort(
            source.choice(group.size, max(1, group.size // _SHARE), replace=False)
        ).tolist()
        for group in groups
    }
    tried = copy.deepcopy(drawn)
    try:
        with torch.no_grad():
            silence(tried, groups, removed)
            silent = tensors_of(tried(images))
            cut(tried, groups, removed)
            if disagreement(silent, tensors_of(tried(images))) > TOLERANCE:
                return False
        return _counts_right(tried, images, groups, terms, removed)
    except Exception:  # a wrongly cut network may fail in any way
        return False


def _counts_right(
    module: nn.Module,
    images: Tensor,
    groups: Sequence[ChannelGroup],
    terms: Sequence[CostTerm],
    removed: Mapping[str, Sequence[int]],
) -> bool:
    """Whether the cost terms give the MACs and params that the cut module really has."""
    _, channels, height, width = images.shape
    network = Network(
        "check",
        "",
        (channels, height, width),
        (),
        tuple(FilterGroup(g.name, g.layers, g.size, repeats=g.repeats) for g in groups),
        tuple(terms),
    )
    kept = {group.name: group.size - len(removed[group.name]) for group in groups}
    cost = cost_of_widths(network, kept)
    params = sum(parameter.numel() for parameter in module.parameters())
    return cost.macs == execute(module, network.input_shape).macs and cost.params == params


def _images(input_shape: tuple[int, int, int], count: int) -> Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.randn(count, *input_shape, generator=source, dtype=torch.float64)
