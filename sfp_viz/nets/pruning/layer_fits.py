"""How one layer is fitted to its outputs in the uncut network: its kernel, its input channels, or
the mean of its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.plan.prune_report import LayerFit
from sfp_viz.nets.pruning.calibration import constant_outputs
from sfp_viz.nets.pruning.forward_capture import capture
from sfp_viz.nets.pruning.im2col import (
    input_count,
    row_chunks,
    rows_of,
    sampled_positions,
    unit_rows,
    window_rows,
)
from sfp_viz.nets.pruning.normal_equations import NormalEquations


@dataclass(frozen=True)
class Reader:
    """A layer that reads removed channels.

    Attributes:
        name: Its path in the network.
        layer: The layer in the cut network; the fit writes to it.
        original: The same layer in the uncut network.
        removed: Positions of the removed channels among its inputs.
        unit_size: How many features in a row are one unit (maps flattened before a linear
            layer); 0 when that differs from unit to unit.
        calls: How often it runs in a forward pass.
        norm: The BatchNorm behind it, or ''.
        form: How it is fitted: 'window', 'channel' or 'bias'.
        share: On what share of all positions it is fitted.
        keeps_inputs: Whether its inputs on all images may be kept in memory.
    """

    name: str
    layer: Any
    original: Any
    removed: np.ndarray
    unit_size: int
    calls: int
    norm: str = ""
    form: str = "bias"
    share: float = 1.0
    keeps_inputs: bool = False

    @cached_property
    def units(self) -> tuple[Tensor, Tensor]:
        """Kept and removed units."""
        removed = np.unique(self.removed // self.unit_size)
        kept = np.setdiff1d(np.arange(input_count(self.layer) // self.unit_size), removed)
        return torch.from_numpy(kept), torch.from_numpy(removed)

    def output_rows(self, outputs: Tensor, turn: int) -> Tensor:
        """What the fit needs of the layer's outputs.

        Args:
            outputs: What it puts out in one call.
            turn: The number of the call, which decides the positions that are sampled.

        Returns:
            Rows [images, positions, outputs] at sampled positions; for 'bias' the mean alone,
            float64 [outputs].
        """
        rows = rows_of(self.layer, outputs)
        if self.form == "bias":
            return rows.mean((0, 1), dtype=torch.float64)
        return rows[:, sampled_positions(rows.shape[1], self.share, turn).to(rows.device)]

    def input_rows(self, inputs: Tensor, turn: int, units: Tensor) -> Tensor:
        """The layer's inputs at sampled positions: [images, positions, units].

        Args:
            inputs: What it reads in one call.
            turn: The number of the call, which decides the positions that are sampled.
            units: The units to return.
        """
        rows = unit_rows(self.layer, inputs, self.unit_size)
        positions = sampled_positions(rows.shape[1], self.share, turn).to(rows.device)
        return rows[:, positions][..., units]


@dataclass
class Call:
    """One call of a reader: ``rows`` for the fit (outputs; for 'channel' inputs of units), the
    mean of each input, its inputs in the cut network, and the number of output positions."""

    rows: Tensor
    input_mean: Tensor | None
    inputs: Tensor | None
    positions: int


@dataclass(frozen=True)
class Captured:
    """All calls of some readers on one batch, and those whose norm's output was added to a
    stream."""

    calls: Mapping[str, Sequence[Call]]
    in_streams: frozenset[str]


Fitted = tuple[LayerFit, Tensor]  # and the constant to add to each output [outputs]
CallPairs = Iterable[tuple[int, Call, Call]]  # turn, in the cut network, in the uncut one


def capture_calls(
    module: nn.Module,
    readers: Sequence[Reader],
    batch: Tensor,
    turn: int,
    *,
    follow: Mapping[str, Any],
    cut: bool = False,
) -> Captured:
    """What the fits of some readers need of one forward pass.

    Args:
        module: The network to run: the cut one or the uncut one.
        readers: The layers to observe.
        batch: Normalized images.
        turn: The number of the batch, which decides the positions that are sampled.
        follow: For some readers, the uncut network's BatchNorm behind them. What the output of
            such a norm is added to is added to the layer's own output, in its units. So a fit to
            the uncut network makes up for what the residual stream lost as well (our design).
        cut: Whether ``module`` is the cut network.
    """
    calls: dict[str, list[Call]] = {reader.name: [] for reader in readers}
    by_name = {reader.name: reader for reader in readers}
    in_streams: set[str] = set()

    def on_call(name: str, inputs: Tensor, outputs: Tensor) -> None:
        reader = by_name[name]
        call_turn = turn * reader.calls + len(calls[name])
        mean, rows, positions = None, None, rows_of(reader.layer, outputs)[..., 0].numel()
        if reader.form == "channel":
            mean = rows_of(reader.layer, inputs).flatten(0, 1).mean(0, dtype=torch.float64).cpu()
            rows = reader.input_rows(inputs, call_turn, reader.units[0 if cut else 1])
        rows = reader.output_rows(outputs, call_turn) if rows is None else rows
        calls[name].append(Call(rows, mean, inputs.clone() if cut else None, positions))

    def on_addition(name: str, other: Tensor) -> None:
        reader, call = by_name[name], calls[name][0]
        call.rows += reader.output_rows(before_norm(follow[name], other), turn)
        in_streams.add(name)

    counts = {reader.name: reader.calls for reader in readers}
    norms = {reader.name: reader.norm for reader in readers if reader.name in follow}
    capture(module, counts, batch, on_call, norms=norms, on_addition=on_addition)
    return Captured(calls, frozenset(in_streams))


def before_norm(norm: Any, change: Tensor) -> Tensor:
    """The change before a BatchNorm with fixed statistics that makes a given change behind it.

    Args:
        norm: The BatchNorm.
        change: The change behind it [images, channels, ...].

    Returns:
        The same shape; 0 where the norm lets next to nothing through.
    """
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight.detach()
    through = scale.abs() > 1e-3 * scale.abs().max()
    inverse = torch.where(through, 1 / torch.where(through, scale, 1), 0)
    return change * inverse.view(1, -1, *[1] * (change.ndim - 2))


def fit_kernel(reader: Reader, pairs: CallPairs, ridge: float) -> Fitted:
    """Refit the whole kernel on windows of the kept inputs, in place.

    Args:
        reader: The layer.
        pairs: Its calls in the cut and in the uncut network.
        ridge: See ``FitOptions``.

    Returns:
        How it was fitted, and the constant to add to each output [outputs].
    """
    layer, (kept, _) = reader.layer, reader.units
    equations = NormalEquations(layer.weight[0, kept].numel(), len(layer.weight))
    for turn, call, original in pairs:
        assert call.inputs is not None
        positions = sampled_positions(call.positions // len(call.inputs), reader.share, turn)
        residuals = original.rows - call.rows
        for windows, targets in window_rows(layer, call.inputs, residuals, kept, positions):
            equations.add(windows, targets)
    solution = equations.solve(ridge)
    with torch.no_grad():
        change = solution.weights.view(len(layer.weight), len(kept), *layer.weight.shape[2:])
        layer.weight[:, kept] += change.to(layer.weight)
    errors = (solution.before, solution.after, solution.penalty)
    return LayerFit(reader.name, "window", equations.rows, *errors), solution.offset


def fit_channels(reader: Reader, pairs: CallPairs, ridge: float) -> Fitted:
    """Express the removed units by the kept ones, position by position, in place.

    Args:
        reader: The layer.
        pairs: Its calls in the cut and in the uncut network.
        ridge: See ``FitOptions``.

    Returns:
        How it was fitted, and the constant to add to each output [outputs].
    """
    layer, size, (kept, removed) = reader.layer, reader.unit_size, reader.units
    equations, count = NormalEquations(len(kept), len(removed)), 0
    sums, original_sums = (torch.zeros(input_count(layer), dtype=torch.float64) for _ in range(2))
    for _, call, original in pairs:
        assert call.input_mean is not None
        assert original.input_mean is not None
        sums, original_sums = sums + call.input_mean, original_sums + original.input_mean
        count += 1
        for inputs, targets in row_chunks(call.rows, original.rows):
            equations.add(inputs, targets)
    solution = equations.solve(ridge)
    with torch.no_grad():
        weight = layer.weight.double().contiguous()
        weight = weight.view(len(layer.weight), -1, size, *layer.weight.shape[2:])
        shares = solution.weights.to(weight)
        weight[:, kept] += torch.einsum("op...,pk->ok...", weight[:, removed], shares)
        weight[:, removed] = 0
        layer.weight.copy_(weight.view_as(layer.weight))
    means, original_means = (s.to(layer.weight.device) / count for s in (sums, original_sums))
    offset = constant_outputs(reader.original, original_means) - constant_outputs(layer, means)
    errors = (solution.before, solution.after, solution.penalty)
    return LayerFit(reader.name, "channel", equations.rows, *errors), offset


def fit_mean(reader: Reader, pairs: CallPairs, ridge: float) -> Fitted:
    """The constant that makes the means of the outputs equal; the layer is not changed.

    Args:
        reader: The layer.
        pairs: Its calls in the cut and in the uncut network.
        ridge: Not used.

    Returns:
        How it was fitted, and the constant to add to each output [outputs].
    """
    total, rows = torch.zeros(len(reader.layer.weight), dtype=torch.float64), 0
    for _, call, original in pairs:
        total += (original.rows - call.rows).cpu() * call.positions
        rows += call.positions
    return LayerFit(reader.name, "bias", rows), total / rows


FITS = {"window": fit_kernel, "channel": fit_channels, "bias": fit_mean}
