"""Importance from activations, as first published: Taylor, HRank and CHIP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.errors import DataError
from sfp_viz.nets.forward import tensors_of
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, ChannelSlice
from sfp_viz.nets.tracing.execution import Execution

FEW = 128  # images for HRank and CHIP, which decompose every map
_NODES = np.arange(-34.0, 34.1, 0.5)  # of the integral below; its error is far below 1e-6


def taylor(
    module: nn.Module,
    execution: Execution,
    groups: Sequence[ChannelGroup],
    batches: Iterable[tuple[Tensor, Tensor]],
) -> dict[str, np.ndarray]:
    """Mean over batches of (g_i dL/dg_i)^2, g_i = 1 a gate on unit i, by group; float64 [units].

    Range: 0 or more; only the order inside a group says something. Cost: one forward and one
    backward pass a batch, for all groups together. Source: Molchanov et al. 2019 (Importance
    Estimation), first order, gates after BatchNorm (method 22 of the authors' code): a gate
    multiplies what the norm behind a layer gives, the layer itself where there is none. That all
    layers of a group share the gate of a unit is our reading.

    Args:
        module: A copy in evaluation mode; its parameters stop requiring gradients.
        execution: What runs in a forward pass of it.
        groups: The groups to score.
        batches: Normalized images and their labels.

    Raises:
        DataError: A label is not below the network's number of classes.
    """
    gates, hooks = [], []
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for group in groups:
        for span in group.slices:
            if span.side == "out" and span.name in group.layers:
                gate = _Gate(
                    group.name,
                    span,
                    execution.norms.get(span.name, span.name),
                )
                hooks.append(module.get_submodule(gate.behind).register_forward_hook(gate.apply))
                gates.append(gate)
    sums = {group.name: np.zeros(group.size) for group in groups}
    count = 0
    try:
        for images, labels in batches:
            loss = _loss(module, images, labels)
            values = [gate.value for gate in gates if gate.value is not None]
            slopes = iter(torch.autograd.grad(loss, values, allow_unused=True))
            batch_slopes = {name: np.zeros(len(total)) for name, total in sums.items()}
            for gate in gates:
                slope = None if gate.value is None else next(slopes)
                if slope is not None:
                    slopes_by_channel = slope.detach().double().cpu().numpy()
                    np.add.at(
                        batch_slopes[gate.group],
                        gate.span.units,
                        slopes_by_channel[gate.span.channels],
                    )
                gate.value = None
            for name, slopes_by_channel in batch_slopes.items():
                sums[name] += np.square(slopes_by_channel)
            count += 1
    finally:
        for hook in hooks:
            hook.remove()
    return {name: total / max(count, 1) for name, total in sums.items()}


class _Gate:
    """A factor of 1 on the channels that a module gives; its gradient says what they are worth."""

    def __init__(self, group: str, span: ChannelSlice, behind: str) -> None:
        self.group, self.span, self.behind = group, span, behind
        self.value: Tensor | None = None

    def apply(self, layer: nn.Module, ins: tuple[Any, ...], out: Tensor) -> Tensor:
        axis = out.ndim - 1 if isinstance(layer, nn.Linear) else 1
        gate = self.value  # a module that is used twice keeps one gate
        if gate is None:
            gate = torch.ones(out.shape[axis], device=out.device, requires_grad=True)
        self.value = gate
        shape = [1] * out.ndim
        shape[axis] = -1
        return out * gate.view(shape)


def _loss(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    logits = tensors_of(module(images))[0]
    if logits.ndim != 2 or int(labels.max()) >= logits.shape[1]:
        raise DataError(
            "The score 'taylor' needs labels of the network's own classes, but the labels go up to "
            f"{int(labels.max())} and its output for an image is {tuple(logits.shape[1:])}. Choose "
            "the images that it was trained on, or leave out 'taylor'."
        )
    return F.cross_entropy(logits, labels)


class MapScores:
    """Mean rank (HRank) and channel independence (CHIP) of the maps A_i that a layer takes in.

    hrank: mean over images, and the maps of a unit, of rank(A_i). Range: 0 to the shorter side of
    a map. Cost: one singular value decomposition a map, O(H W min(H, W)), of ``FEW`` images.
    Source: Lin et al. 2020.
    chip: mean over images of ``independence`` of the rows A [units, positions]. Range: 0 or more.
    Cost: one decomposition an image and layer, O(n^2 H W) for n units. Source: Sui et al. 2021.
    Both take the maps as the next layer reads them, after norm, activation and pooling; the
    originals take them before pooling (our reading).

    Add it as a forward pre-hook; the first ``FEW`` images count. Where the maps arrive flattened
    a unit's columns are made a square map again, if they can be; maps of [N, positions, features]
    are none, and the scores stay 0.
    """

    def __init__(self, reader: ChannelSlice, names: Sequence[str]) -> None:
        order = np.argsort(reader.units, kind="stable")
        self._channels = torch.from_numpy(reader.channels[order].copy())
        self._units = int(reader.units.max()) + 1
        self._sums = {name: np.zeros(self._units) for name in names}
        self._left, self._count = FEW, 0

    def add(self, layer: nn.Module, ins: tuple[Tensor, ...]) -> None:
        """Take in the maps of one forward pass, as a forward pre-hook.

        Args:
            layer: The layer that reads them.
            ins: Its arguments; the maps are the first.
        """
        values = ins[0][: self._left]
        if not len(values) or (values.ndim == 3):  # [N, positions, features]: no maps
            return
        if isinstance(layer, nn.Linear) and values.ndim == 4:  # [N, height, width, channels]
            values = values.movedim(-1, 1)
        maps = values[:, self._channels.to(values.device)].unflatten(1, (self._units, -1))
        if maps.ndim == 3:
            side = int(maps.shape[2] ** 0.5)
            square = side * side == maps.shape[2]
            maps = maps.unflatten(2, (side, side) if square else (1, -1)).unsqueeze(2)
        if "hrank" in self._sums:
            ranks = torch.linalg.matrix_rank(maps.float()).double().mean(2)
            self._sums["hrank"] += ranks.sum(0).cpu().numpy()
        if "chip" in self._sums:
            for image in maps.flatten(2):
                self._sums["chip"] += independence(image.double()).cpu().numpy()
        self._left -= len(maps)
        self._count += len(maps)

    def values(self) -> Mapping[str, np.ndarray]:
        """The scores by name, float64 [units]."""
        return {name: total / max(self._count, 1) for name, total in self._sums.items()}


def independence(rows: Tensor) -> Tensor:
    """Nuclear norm of ``rows`` [units, positions] less that with row i at 0, for each i; >= 0.

    CHIP (Sui et al. 2021); the way to find it is ours: one decomposition for all rows in place of
    one for each, exact to 1e-5 of the largest. With A A' = U diag(l) U' a row changes the sum of
    the roots by

        -1/(2 pi) integral over t > 0 of log( sum over k of U_ik^2 t / (t + l_k) ) / sqrt(t) dt

    (from sqrt(x) = 1/(2 pi) integral of log(1 + x/t) / sqrt(t) dt and the determinant of a
    change of rank one); t runs evenly in its log.
    """
    small = rows.T @ rows if rows.shape[1] < rows.shape[0] else rows @ rows.T
    values, vectors = torch.linalg.eigh(small)
    strong = values > values[-1].clamp(min=1e-300) * 1e-13
    values, vectors = values[strong], vectors[:, strong]
    if not len(values):
        return rows.new_zeros(len(rows))
    if rows.shape[1] < rows.shape[0]:
        vectors = rows @ vectors / values.sqrt()
    shares = vectors.square()
    outside = (1 - shares.sum(1)).clamp(min=0)
    at = values[-1] * torch.from_numpy(np.exp(_NODES)).to(rows.device)
    inside = outside[:, None] + shares @ (at[None, :] / (at[None, :] + values[:, None]))
    heights = -inside.clamp(min=1e-300, max=1).log() * at.sqrt()
    return heights.sum(1) * (_NODES[1] - _NODES[0]) / (2 * np.pi)
