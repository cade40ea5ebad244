"""How one layer is fitted to what it put out in the uncut network: by windows, channels or mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.nets.pruning.calibration import fed
from sfp_viz.nets.pruning.forward_capture import watch
from sfp_viz.nets.pruning.im2col import drawn, in_chunks, inputs_of, rows_of, unit_rows, window_rows
from sfp_viz.nets.pruning.normal_equations import Equations


@dataclass(frozen=True)
class Errors:
    """How wrong a layer's output is ``before`` and ``after`` its fit, measured on ``images``: the
    squared difference from what it puts out in the uncut network, as a share of the variance of
    that (fit_errors.output_error)."""

    before: float
    after: float
    images: int


@dataclass(frozen=True)
class LayerFit:
    """How one layer was refitted: ``form`` 'window', 'channel' or 'bias', on ``rows`` rows.

    ``before`` and ``after`` are summed squared errors on the calibration images, of the layer's
    outputs (and of the stream they are added to, in their units) for 'window' and of the lost
    inputs for 'channel'; ``after`` plus ``penalty``, the ridge term, is never above ``before``.
    0 for 'bias'. ``seen`` and ``unseen``: the errors of its output on images of the fit and on
    others, measured where such were given.
    """

    name: str
    form: str
    rows: int
    before: float = 0.0
    after: float = 0.0
    penalty: float = 0.0
    seen: Errors | None = None
    unseen: Errors | None = None


@dataclass(frozen=True)
class Reader:
    """A layer that reads removed channels ``lost``: in the cut network (``part``, written to) and
    in the uncut one. ``size`` features in a row are one unit (maps flattened before a linear
    layer); 0 when that differs from unit to unit. It runs ``calls`` times and is fitted by
    ``form`` on a ``share`` of all positions; ``norm`` is the BatchNorm behind it, or ''; ``held``
    says that what it reads on all images may be kept in memory."""

    name: str
    part: Any
    whole: Any
    lost: np.ndarray
    size: int
    calls: int
    norm: str = ""
    form: str = "bias"
    share: float = 1.0
    held: bool = False

    @cached_property
    def units(self) -> tuple[Tensor, Tensor]:
        """Kept and lost units."""
        lost = np.unique(self.lost // self.size)
        kept = np.setdiff1d(np.arange(inputs_of(self.part) // self.size), lost)
        return torch.from_numpy(kept), torch.from_numpy(lost)

    def outputs(self, put: Tensor, turn: int) -> Tensor:
        """Of what it puts out, what the fit needs: rows at drawn positions, or the mean alone."""
        rows = rows_of(self.part, put)
        if self.form == "bias":
            return rows.mean((0, 1), dtype=torch.float64)
        return rows[:, drawn(rows.shape[1], self.share, turn).to(rows.device)]

    def inputs(self, read: Tensor, turn: int, units: Tensor) -> Tensor:
        """Values of ``units`` of what it reads, at drawn positions."""
        rows = unit_rows(self.part, read, self.size)
        return rows[:, drawn(rows.shape[1], self.share, turn).to(rows.device)][..., units]


@dataclass
class Call:
    """One call of a reader: ``rows`` for the fit (outputs; for 'channel' values of units),
    ``mean`` of each input, ``read`` in the cut network, at how many ``positions`` it puts out."""

    rows: Tensor
    mean: Tensor | None
    read: Tensor | None
    positions: int


@dataclass(frozen=True)
class Look:
    """All calls of some readers on one batch, and whose norm's output was added to a stream."""

    calls: Mapping[str, Sequence[Call]]
    followed: frozenset[str]


Found = tuple[LayerFit, Tensor]  # and the constant to add to each output
Pairs = Iterable[tuple[int, Call, Call]]  # turn, in the cut network, in the whole one


def look(
    module: nn.Module,
    readers: Sequence[Reader],
    batch: Tensor,
    turn: int,
    *,
    follow: Mapping[str, Any],
    cut: bool = False,
) -> Look:
    """What the fits of ``readers`` need of one forward pass of the ``cut`` network or the whole.

    ``follow`` maps layers to the whole network's BatchNorm behind them: what the output of such a
    norm is added to is added to the layer's own output, in its units. So a fit to the whole
    network's makes up for what the stream lost as well (our design).
    """
    found: dict[str, list[Call]] = {reader.name: [] for reader in readers}
    by_name = {reader.name: reader for reader in readers}
    followed: set[str] = set()

    def called(name: str, read: Tensor, put: Tensor) -> None:
        reader, calls = by_name[name], found[name]
        at = turn * reader.calls + len(calls)
        mean, rows, positions = None, None, rows_of(reader.part, put)[..., 0].numel()
        if reader.form == "channel":
            mean = rows_of(reader.part, read).flatten(0, 1).mean(0, dtype=torch.float64).cpu()
            rows = reader.inputs(read, at, reader.units[0 if cut else 1])
        rows = reader.outputs(put, at) if rows is None else rows
        calls.append(Call(rows, mean, read.clone() if cut else None, positions))

    def added(name: str, other: Tensor) -> None:
        reader, call = by_name[name], found[name][0]
        call.rows += reader.outputs(in_units(follow[name], other), turn)
        followed.add(name)

    counts = {reader.name: reader.calls for reader in readers}
    norms = {reader.name: reader.norm for reader in readers if reader.name in follow}
    watch(module, counts, batch, called, norms=norms, added=added)
    return Look(found, frozenset(followed))


def in_units(norm: Any, after: Tensor) -> Tensor:
    """A change ``after`` a BatchNorm with fixed statistics, as the change before it that makes
    it; 0 where the norm lets next to nothing through."""
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight.detach()
    through = scale.abs() > 1e-3 * scale.abs().max()
    back = torch.where(through, 1 / torch.where(through, scale, 1), 0)
    return after * back.view(1, -1, *[1] * (after.ndim - 2))


def by_window(reader: Reader, pairs: Pairs, ridge: float) -> Found:
    """Refit the whole kernel over windows of the kept inputs."""
    part, (kept, _) = reader.part, reader.units
    sums = Equations(part.weight[0, kept].numel(), len(part.weight))
    for turn, ours, theirs in pairs:
        assert ours.read is not None
        chosen = drawn(ours.positions // len(ours.read), reader.share, turn)
        for rows, apart in window_rows(part, ours.read, theirs.rows - ours.rows, kept, chosen):
            sums.add(rows, apart)
    fit = sums.solve(ridge)
    with torch.no_grad():
        change = fit.weights.view(len(part.weight), len(kept), *part.weight.shape[2:])
        part.weight[:, kept] += change.to(part.weight)
    errors = (fit.before, fit.after, fit.penalty)
    return LayerFit(reader.name, "window", sums.rows, *errors), fit.offset


def by_channel(reader: Reader, pairs: Pairs, ridge: float) -> Found:
    """Express the lost units by the kept ones, position by position."""
    part, size, (kept, lost) = reader.part, reader.size, reader.units
    sums, count = Equations(len(kept), len(lost)), 0
    now, then = (torch.zeros(inputs_of(part), dtype=torch.float64) for _ in range(2))
    for _, ours, theirs in pairs:
        assert ours.mean is not None
        assert theirs.mean is not None
        now, then, count = now + ours.mean, then + theirs.mean, count + 1
        for given, wanted in in_chunks(ours.rows, theirs.rows):
            sums.add(given, wanted)
    fit = sums.solve(ridge)
    with torch.no_grad():
        units = part.weight.double().contiguous()
        units = units.view(len(part.weight), -1, size, *part.weight.shape[2:])
        units[:, kept] += torch.einsum("op...,pk->ok...", units[:, lost], fit.weights.to(units))
        units[:, lost] = 0
        part.weight.copy_(units.view_as(part.weight))
    now, then = (mean.to(part.weight.device) / count for mean in (now, then))
    offset = fed(reader.whole, then) - fed(part, now)
    return LayerFit(reader.name, "channel", sums.rows, fit.before, fit.after, fit.penalty), offset


def by_mean(reader: Reader, pairs: Pairs, ridge: float) -> Found:
    """Let the means of the outputs meet."""
    total, rows = torch.zeros(len(reader.part.weight), dtype=torch.float64), 0
    for _, ours, theirs in pairs:
        total += (theirs.rows - ours.rows).cpu() * ours.positions
        rows += ours.positions
    return LayerFit(reader.name, "bias", rows), total / rows


FITS = {"window": by_window, "channel": by_channel, "bias": by_mean}
