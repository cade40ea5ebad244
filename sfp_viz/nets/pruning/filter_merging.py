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

from sfp_viz.core.plan.prune_report import PruneReport
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.pruning.calibration import add_constant, constant_outputs, input_means
from sfp_viz.nets.pruning.cut_context import CutContext
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, ChannelSlice, module_or_parameter
from sfp_viz.nets.tracing.execution import BATCH_NORMS, CONVOLUTIONS

MERGE_COSINE = 0.9  # 'merge': below this cosine a removed filter is just dropped
SCALE_COSINE = 0.5  # 'scale': the same

Pairs = Sequence[tuple[int, int, float]]  # removed unit, kept unit, factor


def merge(cut: CutContext) -> PruneReport:
    """W'[:, j] += W'[:, i] for removed i and its most similar kept j, if their cosine is >= 0.9.

    In place on the copy. Needs no images; exact when the filters are duplicates, with the same
    bias and norm. The cosine is that of all weights that write the channels (as in
    core.redundancy.similarity, each layer at norm 1).
    """
    notes = cut.notes
    for group in cut.groups:
        if units := cut.removed.get(group.name, ()):
            nearest = _nearest(cut.module, group, units)
            pairs = [(i, j, 1.0) for i, j, cosine in nearest if cosine >= MERGE_COSINE]
            notes += tuple(_merge_inputs(cut.module, group, pairs))
    return PruneReport(notes=notes)


def scale(cut: CutContext, images: Images) -> PruneReport:
    """W'[:, j] += S W'[:, i] and the constant left over into the next bias; S as in
    ``scale_factor``.

    Only where S > 0 and the cosine is >= 0.5. The constant is E[a_i] - S E[a_j] on the images: B
    of docs/method.md where nothing is clipped, and otherwise what of it passes the activation
    (our reading). Filters without a partner are replaced by their mean. In place on the copy.

    Args:
        cut: The cut.
        images: Calibration images, for the means E[a].

    Raises:
        DataError: The images do not fit the network.
    """
    means = input_means(cut.module, cut.model, tuple(cut.readers), images)
    outputs_before = {name: constant_outputs(cut.layer(name), means[name]) for name in cut.readers}
    notes = cut.notes
    for group in cut.groups:
        units = cut.removed.get(group.name, ())
        if not units:
            continue
        norm, problem = _only_norm(cut.module, cut.execution.norms, group)
        if problem:
            notes += (f"'{group.name}' is not scaled: {problem}.",)
            continue
        layer = cut.layer(group.name)
        pairs = [
            (i, j, scale_factor(layer, norm, i, j))
            for i, j, cosine in _nearest(cut.module, group, units)
            if cosine >= SCALE_COSINE
        ]
        notes += tuple(_merge_inputs(cut.module, group, [pair for pair in pairs if pair[2] > 0]))
    added = []
    for name, channels in cut.readers.items():
        kept_means = means[name].clone()
        kept_means[channels] = 0
        constant = outputs_before[name] - constant_outputs(cut.layer(name), kept_means)
        if add_constant(cut.layer(name), cut.norm(name), constant):
            added.append(f"{name}.bias")
    return PruneReport(tuple(added), tuple(dict.fromkeys(notes)))


def scale_factor(layer: Any, norm: Any, removed: int, kept: int) -> float:
    """S of docs/method.md: when filter ``removed`` is s times filter ``kept``, their outputs after
    the norm are S z + B with S = s (gamma_i / gamma_j) (sigma_j / sigma_i), s = |W_i| / |W_j|.

    Args:
        layer: The layer with both filters.
        norm: The BatchNorm behind it, or None.
        removed: The filter i.
        kept: The filter j.

    Returns:
        S > 0, or 0 where it is not defined: a filter of norm 0, gamma <= 0, or a variance of 0.
    """
    norms = _weight_by_output(layer).flatten(1).norm(dim=1)
    if float(norms[kept]) == 0 or float(norms[removed]) == 0:
        return 0.0
    ratio = norms[removed] / norms[kept]
    if norm is None:
        return float(ratio)
    deviation = norm.running_var.double().sqrt()
    if min(float(deviation[removed]), float(deviation[kept])) <= 1e-12:
        return 0.0
    sigma = (norm.running_var.double() + norm.eps).sqrt()
    gamma = torch.ones_like(sigma) if norm.weight is None else norm.weight.detach().double()
    if min(float(gamma[removed]), float(gamma[kept])) <= 0:
        return 0.0
    return float(ratio * gamma[removed] / gamma[kept] * sigma[kept] / sigma[removed])


def _nearest(
    module: nn.Module, group: ChannelGroup, units: Sequence[int]
) -> list[tuple[int, int, float]]:
    """(removed unit, most similar kept unit, their cosine); filters of norm 0 are left out."""
    rows = nn.functional.normalize(_unit_weights(module, group), dim=1)
    kept = np.setdiff1d(np.arange(group.size), np.asarray(units))
    best = (rows[list(units)] @ rows[kept].T).max(dim=1)
    partners = [int(kept[index]) for index in best.indices.tolist()]
    nonzero = rows.square().sum(1) > 0.5
    return [
        (int(i), j, cosine)
        for i, j, cosine in zip(units, partners, best.values.tolist(), strict=True)
        if nonzero[i] and nonzero[j]
    ]


def _unit_weights(module: nn.Module, group: ChannelGroup) -> Tensor:
    """All weights that write each unit, float64 [units, weights], each layer at norm 1."""
    rows = []
    for span in group.slices:
        layer: Any = module_or_parameter(module, span.name)
        if span.side != "in" and isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
            row = _weight_by_output(layer)[_by_unit(span)].reshape(group.size, -1)
            rows.append(row / row.norm().clamp_min(1e-30))
    return torch.cat(rows, 1)


def _weight_by_output(layer: Any) -> Tensor:
    weight = layer.weight.detach().double()
    return weight.transpose(0, 1) if getattr(layer, "transposed", False) else weight


def _by_unit(span: ChannelSlice) -> np.ndarray:
    """The channels of a slice, unit after unit; those of one unit in order."""
    return span.channels[np.lexsort((span.channels, span.units))]


def _merge_inputs(module: nn.Module, group: ChannelGroup, pairs: Pairs) -> Iterator[str]:
    """Let every reader of ``group`` read S times unit j where it read unit i, in place; yields a
    sentence about each reader in which that cannot be done."""
    for span in group.slices:
        layer: Any = module_or_parameter(module, span.name)
        if span.side != "in" or not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if getattr(layer, "groups", 1) > 1:
            yield f"'{span.name}' is a grouped convolution, so nothing is merged in it."
            continue
        channels = _by_unit(span).reshape(group.size, -1)
        with torch.no_grad():
            for removed, kept, factor in pairs:
                layer.weight[:, channels[kept]] += factor * layer.weight[:, channels[removed]]


def _only_norm(module: nn.Module, norms: Mapping[str, str], group: ChannelGroup) -> tuple[Any, str]:
    """The BatchNorm right behind the group's only layer, or None; and why the factor of
    ``scale_factor`` does not hold, or ''."""
    if group.repeats > 1:
        count = group.repeats  # one filter of every conv_group of the layer or of its reader
        return (
            None,
            f"grouped convolutions tie {count} filters to a unit, and the factor is for one",
        )
    if len(group.layers) + len(group.followers) > 1:
        return None, "several layers write its channels"
    passed = {span.name for span in group.slices if span.side == "both"} - {group.name}
    if passed - {norms.get(group.name, "")}:
        return None, "more than the norm behind its layer acts on its channels"
    if not passed:
        return None, ""
    norm: Any = module_or_parameter(module, next(iter(passed)))
    if not isinstance(norm, BATCH_NORMS) or norm.running_var is None:
        return None, "its norm keeps no running statistics"
    return norm, ""
