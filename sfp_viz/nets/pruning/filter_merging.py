"""Merge a removed filter into its most similar kept one, in the weights of the next layers.

'merge': sum to the nearest, as C-SGD does (Ding et al. 2019); 'scale': Neuron Merging (Kim et al.
2020) with the factor derived in docs/method.md, not the one of its public code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import NORMS, absorb, fed, input_means, norm_behind, readers
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, Reach, part_of
from sfp_viz.nets.tracing.execution import CONVOLUTIONS, execute

SIMILAR = 0.9  # 'merge': below this cosine a removed filter is just dropped
ALIKE = 0.5  # 'scale': the same

Pairs = Sequence[tuple[int, int, float]]  # removed unit, kept unit, factor


def merge(
    module: nn.Module, groups: Sequence[ChannelGroup], removed: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    """W'[:, j] += W'[:, i] for removed i and its most similar kept j, if their cosine is >= 0.9.

    In place on the whole ``module``. Needs no images; exact when the filters are duplicates, with
    the same bias and norm. Cosine of all that writes the channels (as in core.similarity, each
    layer at norm 1). Returns a sentence about each layer that could not take part.
    """
    _, notes = readers(module, groups, removed)
    for group in groups:
        if units := removed.get(group.name, ()):
            pairs = [(i, j, 1.0) for i, j, s in _nearest(module, group, units) if s >= SIMILAR]
            notes += tuple(_mix(module, group, pairs))
    return notes


def scale(
    module: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Mapping[str, Sequence[int]],
    images: Images,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """W'[:, j] += S W'[:, i] and the constant left over into the next bias; S as in ``factor``.

    Only where S > 0 and the cosine is >= 0.5. The constant is E[a_i] - S E[a_j] on the images:
    B of D.2 where nothing is clipped, and what of it gets through the activation otherwise (our
    reading). Filters without a partner give their mean. In place on the whole ``module``; returns
    the names of new biases, and a sentence about each group and layer left out.
    """
    lost, notes = readers(module, groups, removed)
    means = input_means(module, model, tuple(lost), images)
    execution = execute(module, model.input_shape, name=model.name)
    before = {name: fed(module.get_submodule(name), means[name]) for name in lost}
    for group in groups:
        units = removed.get(group.name, ())
        if not units:
            continue
        norm, problem = _only_norm(module, execution.norms, group)
        if problem:
            notes += (f"'{group.name}' is not scaled: {problem}.",)
            continue
        near = _nearest(module, group, units)
        pairs = [(i, j, factor(module.get_submodule(group.name), norm, i, j)) for i, j, _ in near]
        alike = [pair for pair, (_, _, s) in zip(pairs, near, strict=True) if s >= ALIKE]
        notes += tuple(_mix(module, group, [pair for pair in alike if pair[2] > 0]))
    added = []
    for name, channels in lost.items():
        part: Any = module.get_submodule(name)
        kept = means[name].clone()
        kept[channels] = 0
        delta = before[name] - fed(part, kept)
        if absorb(part, norm_behind(module, execution, name), delta):
            added.append(f"{name}.bias")
    return tuple(added), tuple(dict.fromkeys(notes))


def factor(part: Any, norm: Any, gone: int, kept: int) -> float:
    """S of docs/method.md: when filter ``gone`` is s times filter ``kept``, their outputs after
    the norm are S z + B with S = s (gamma_i / gamma_j) (sigma_j / sigma_i), s = |W_i| / |W_j|.

    0 where that says nothing: a filter of norm 0, gamma <= 0, or a variance of 0.
    """
    lengths = _by_output(part).flatten(1).norm(dim=1)
    if float(lengths[kept]) == 0 or float(lengths[gone]) == 0:
        return 0.0
    ratio = lengths[gone] / lengths[kept]
    if norm is None:
        return float(ratio)
    deviation = norm.running_var.double().sqrt()
    if min(float(deviation[gone]), float(deviation[kept])) <= 1e-12:
        return 0.0
    sigma = (norm.running_var.double() + norm.eps).sqrt()
    gamma = torch.ones_like(sigma) if norm.weight is None else norm.weight.detach().double()
    if min(float(gamma[gone]), float(gamma[kept])) <= 0:
        return 0.0
    return float(ratio * gamma[gone] / gamma[kept] * sigma[kept] / sigma[gone])


def _nearest(
    module: nn.Module, group: ChannelGroup, units: Sequence[int]
) -> list[tuple[int, int, float]]:
    """(removed unit, most similar kept unit, their cosine); filters of norm 0 are left out."""
    rows = _rows(module, group)
    rows = nn.functional.normalize(rows, dim=1)
    kept = np.setdiff1d(np.arange(group.size), np.asarray(units))
    near = (rows[list(units)] @ rows[kept].T).max(dim=1)
    found = zip(units, near.indices.tolist(), near.values.tolist(), strict=True)
    live = rows.square().sum(1) > 0.5
    return [(int(i), int(kept[place]), s) for i, place, s in found if live[i] and live[kept[place]]]


def _rows(module: nn.Module, group: ChannelGroup) -> Tensor:
    """All weights that write each unit, float64 [units, weights], each layer at norm 1."""
    rows = []
    for reach in group.reaches:
        part: Any = part_of(module, reach.name)
        if reach.side != "in" and isinstance(part, (*CONVOLUTIONS, nn.Linear)):
            row = _by_output(part)[_channels(reach)].reshape(group.size, -1)
            rows.append(row / row.norm().clamp_min(1e-30))
    return torch.cat(rows, 1)


def _by_output(part: Any) -> Tensor:
    weight = part.weight.detach().double()
    return weight.transpose(0, 1) if getattr(part, "transposed", False) else weight


def _channels(reach: Reach) -> np.ndarray:
    """The channels of a reach, unit after unit; those of one unit in order."""
    return reach.channels[np.lexsort((reach.channels, reach.units))]


def _mix(module: nn.Module, group: ChannelGroup, pairs: Pairs) -> Iterator[str]:
    """Let every reader of ``group`` take in S times unit j where it took unit i; in place."""
    for reach in group.reaches:
        part: Any = part_of(module, reach.name)
        if reach.side != "in" or not isinstance(part, nn.Conv2d | nn.Linear):
            continue
        if getattr(part, "groups", 1) > 1:
            yield f"'{reach.name}' is a grouped convolution, so nothing is merged in it."
            continue
        places = _channels(reach).reshape(group.size, -1)
        with torch.no_grad():
            for gone, kept, share in pairs:
                part.weight[:, places[kept]] += share * part.weight[:, places[gone]]


def _only_norm(module: nn.Module, norms: Mapping[str, str], group: ChannelGroup) -> tuple[Any, str]:
    """The BatchNorm right behind the group's only layer, or None; and why D.2 does not hold."""
    if group.repeats > 1:
        many = group.repeats  # one filter of every conv_group of the layer or of its reader
        return None, f"grouped convolutions tie {many} filters to a unit, and the factor is for one"
    if len(group.layers) + len(group.followers) > 1:
        return None, "several layers write its channels"
    passed = {reach.name for reach in group.reaches if reach.side == "both"} - {group.name}
    if passed - {norms.get(group.name, "")}:
        return None, "more than the norm behind its layer acts on its channels"
    if not passed:
        return None, ""
    norm: Any = part_of(module, next(iter(passed)))
    if not isinstance(norm, NORMS) or norm.running_var is None:
        return None, "its norm keeps no running statistics"
    return norm, ""
