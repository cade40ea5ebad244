"""Refit every reader of removed channels by least squares, in forward order (methods.md G.7).

Each reader learns to put out, from what the cut network feeds it, what it put out in the uncut
one. Streamed: memory is bounded by one batch, one chunk of windows and one matrix a layer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.nets.calibration import (
    BATCH,
    NORMS,
    absorb,
    calibration_batches,
    fed,
    readers,
)
from sfp_viz.nets.channels import ChannelGroup, silence
from sfp_viz.nets.data import Images
from sfp_viz.nets.equations import Equations
from sfp_viz.nets.execution import execute
from sfp_viz.nets.model import Model
from sfp_viz.nets.scales import hold_scale, put_out
from sfp_viz.nets.windows import (
    Seen,
    inputs_of,
    positions,
    rows_of,
    side_by_side,
    unit_rows,
    window_rows,
)

# Of the mean variance of the inputs. Published ResNet-20, 70 % of the inner filters cut by L1, 512
# images, 2,000 held-out training images: 1e-3 58.8 %, 1e-2 59.1 %, 0.1 57.8 %, all within chance.
RIDGE = 1e-3
MOST_UNKNOWNS = 4608  # inputs of a window; above it the channel form is used
MOST_ROWS = 2**18  # windows of a layer, drawn evenly from all of them where there are more
BATCHES = 8  # of 128 images
_ROWS_EACH = 5  # rows needed for each unknown, else the fit would follow chance

Pairs = Iterator[tuple[Seen, Seen]]
Calls = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class Refit:
    """How one layer was refitted: ``form`` 'window', 'channel' or 'bias', on ``rows`` rows.

    ``before`` and ``after`` are summed squared errors on the calibration images, of the layer's
    outputs for 'window' and of the lost inputs for 'channel'; ``after`` plus ``penalty``, the
    ridge term, is never above ``before``. 0 for 'bias'.
    """

    name: str
    form: str
    rows: int
    before: float = 0.0
    after: float = 0.0
    penalty: float = 0.0


Found = tuple[Refit, Tensor]  # and the constant to add to each output


@dataclass(frozen=True)
class Refits:
    """All refitted layers, the names of new biases, and a sentence about each layer left out."""

    layers: tuple[Refit, ...]
    added: tuple[str, ...]
    notes: tuple[str, ...]


def refit(
    module: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Mapping[str, Sequence[int]],
    images: Images,
    *,
    window: bool = True,
    ridge: float = RIDGE,
    most: int = BATCHES,
) -> Refits:
    """Refit the readers of removed channels on ``most`` batches of images, in place on ``module``,
    a whole copy of ``model``, whose removed channels are silenced.

    ``window``: the whole kernel over windows of the kept input, W' = W + D with D from
    (Cov(Z, Z) + r I) D^T = Cov(Z, Y - Y'), r = ridge * trace / n; Y what the reader puts out in
    the uncut network, Y' in the cut one, Z the windows there. The ridge pulls towards the old
    kernel, so an endless one is 'bias' (our reading). Else, and where a window has more than 4608
    inputs or too few rows, the removed channels are expressed by the kept ones: W'_K += W_P X,
    X = Cov(P, K) (Cov(K, K) + r I)^-1. Grouped convolutions get the mean alone. Norms of the cut
    network use the statistics of the batch meanwhile: estimate them anew afterwards.
    """
    lost, notes = readers(module, groups, removed)
    whole = copy.deepcopy(module).eval()
    silence(module, groups, removed)
    execution = execute(module, model.input_shape, name=model.name)
    layers, added = [], []
    norms = _set_live(module)
    for name in [name for name in execution.calls if name in lost]:
        calls, part = execution.calls[name], module.get_submodule(name)
        reader = _Reader(name, part, whole.get_submodule(name), lost[name], _size(name, groups))
        form, rows, why = _form(reader, calls, min(len(images), most * BATCH), window)
        notes += (f"'{name}' {why}.",) if why else ()
        batches = calibration_batches(model, images, most)
        behind = execution.norms.get(name, "") if len(calls) == 1 else ""
        pairs = side_by_side(module, whole, name, len(calls), batches, norm=behind)
        fit = {"window": _by_window, "channel": _by_channel, "bias": _by_mean}[form]
        found, offset = fit(reader, pairs, ridge, min(1.0, MOST_ROWS / max(1, rows)))
        layers.append(found)
        norm = module.get_submodule(behind) if behind else None
        in_norm = 0 if norm is None or part.bias is not None else 1
        if absorb(part, norm, offset):
            added.append(f"{name}.bias")
        if form != "bias" and norm is not None:
            moments = put_out(module, name, calibration_batches(model, images, most))
            hold_scale(norm, whole.get_submodule(behind), *moments, in_norm * offset)
        silence(module, groups, removed)  # outputs that are cut themselves stay at 0
    for norm in norms:
        norm.track_running_stats = True
        norm.eval()
    return Refits(tuple(layers), tuple(added), notes)


def _set_live(module: nn.Module) -> list[Any]:
    """Let norms work with each batch's own statistics, without writing them down: as they will
    after BatchNorm is estimated anew, which is what the fit has to suit."""
    norms: list[Any] = [
        part for part in module.modules() if isinstance(part, NORMS) and part.track_running_stats
    ]
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    return norms


@dataclass(frozen=True)
class _Reader:
    """A layer that reads removed channels ``lost``: in the cut network (``part``, written to) and
    in the uncut one. ``size`` features in a row are one unit (maps flattened before a linear
    layer); 0 when that differs from unit to unit."""

    name: str
    part: Any
    whole: Any
    lost: np.ndarray
    size: int

    def units(self) -> tuple[Tensor, Tensor]:
        """Kept and lost units."""
        lost = np.unique(self.lost // self.size)
        kept = np.setdiff1d(np.arange(inputs_of(self.part) // self.size), lost)
        return torch.from_numpy(kept), torch.from_numpy(lost)


def _by_window(reader: _Reader, pairs: Pairs, ridge: float, share: float) -> Found:
    part, (kept, _) = reader.part, reader.units()
    each = part.weight[0, kept].numel()
    sums = Equations(each, len(part.weight))
    for turn, (ours, (_, wanted)) in enumerate(pairs):
        for rows, apart in window_rows(part, ours, wanted, kept, share=share, turn=turn):
            sums.add(rows, apart)
    fit = sums.solve(ridge)
    with torch.no_grad():
        change = fit.weights.view(len(part.weight), len(kept), *part.weight.shape[2:])
        part.weight[:, kept] += change.to(part.weight)
    errors = (fit.before, fit.after, fit.penalty)
    return Refit(reader.name, "window", sums.rows, *errors), fit.offset


def _by_channel(reader: _Reader, pairs: Pairs, ridge: float, share: float) -> Found:
    part, size, (kept, lost) = reader.part, reader.size, reader.units()
    sums, count = Equations(len(kept), len(lost)), 0
    means = [torch.zeros(inputs_of(part), dtype=torch.float64) for _ in range(2)]
    for turn, ((ours, _), (theirs, _)) in enumerate(pairs):
        for mean, maps in zip(means, (ours, theirs), strict=True):
            mean += rows_of(part, maps).flatten(0, 1).mean(0, dtype=torch.float64).cpu()
        count += 1
        chosen = {"size": size, "share": share, "turn": turn}
        for rows, all_units in unit_rows(part, ours, theirs, kept, **chosen):
            sums.add(rows, all_units[:, lost])
    fit = sums.solve(ridge)
    with torch.no_grad():
        units = (
            part.weight.double()
            .contiguous()
            .view(len(part.weight), -1, size, *part.weight.shape[2:])
        )
        units[:, kept] += torch.einsum("op...,pk->ok...", units[:, lost], fit.weights.to(units))
        units[:, lost] = 0
        part.weight.copy_(units.view_as(part.weight))
    now, then = (mean.to(part.weight.device) / count for mean in means)
    offset = fed(reader.whole, then) - fed(part, now)
    return Refit(reader.name, "channel", sums.rows, fit.before, fit.after, fit.penalty), offset


def _by_mean(reader: _Reader, pairs: Pairs, ridge: float, share: float) -> Found:
    total, rows = torch.zeros(len(reader.part.weight), dtype=torch.float64), 0
    for (_, put), (_, wanted) in pairs:
        apart = rows_of(reader.part, wanted - put).flatten(0, 1)
        total += apart.sum(0, dtype=torch.float64).cpu()
        rows += len(apart)
    return Refit(reader.name, "bias", rows), total / rows


def _form(reader: _Reader, calls: Calls, images: int, window: bool) -> tuple[str, int, str]:
    """'window', 'channel' or 'bias', its rows, and why it is less than was asked for."""
    part, alone = reader.part, "so it takes up the mean alone"
    read, put = (images * sum(positions(part, call[side]) for call in calls) for side in (0, 1))
    if getattr(part, "groups", 1) > 1:
        return "bias", put, f"is a grouped convolution, {alone}"
    if reader.size == 0:
        return "bias", put, f"reads flattened maps of several sizes, {alone}"
    kept = len(reader.units()[0])
    unknowns = part.weight[0].numel() // inputs_of(part) * reader.size * kept
    if window and reader.size == 1 and _ROWS_EACH * unknowns <= put and unknowns <= MOST_UNKNOWNS:
        return "window", put, ""
    if read * reader.size < _ROWS_EACH * kept:
        return "bias", put, f"has {kept} inputs, too many for {images} images, {alone}"
    why = "is refitted channel by channel, as it has too many inputs for windows"
    return "channel", read * reader.size, why if window else ""


def _size(name: str, groups: Sequence[ChannelGroup]) -> int:
    """How many features in a row are one unit of what a layer reads; 0 when that differs."""
    sizes = set()
    for group in groups:
        for reach in group.reaches:
            if reach.name == name and reach.side == "in":
                order = np.argsort(reach.channels)
                channels, units = reach.channels[order], reach.units[order]
                changes = np.flatnonzero(np.diff(units) | (np.diff(channels) != 1)) + 1
                firsts = np.concatenate([[0], changes, [len(units)]])
                runs, starts = np.diff(firsts), channels[firsts[:-1]]
                sizes.add(
                    int(runs[0]) if len(set(runs)) == 1 and not (starts % runs[0]).any() else 0
                )
    return sizes.pop() if len(sizes) == 1 else 0
