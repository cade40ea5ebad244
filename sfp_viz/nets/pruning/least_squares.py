"""Refit every reader of removed channels by least squares, in forward order (docs/method.md).

Each reader learns to put out, from what the cut network feeds it, what it put out in the uncut
one. Streamed: memory is bounded by one batch, one chunk of windows and one matrix a layer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import (
    BATCH,
    NORMS,
    absorb,
    calibration_batches,
    name_behind,
    readers,
)
from sfp_viz.nets.pruning.fit_errors import ErrorProbe, rulers
from sfp_viz.nets.pruning.forward_capture import reads
from sfp_viz.nets.pruning.im2col import inputs_of, positions
from sfp_viz.nets.pruning.layer_fits import FITS, Call, LayerFit, Look, Reader, look
from sfp_viz.nets.pruning.norm_rescaling import hold_scale, put_out
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, silence
from sfp_viz.nets.tracing.execution import execute

# Of the mean variance of the inputs. Published ResNet-20, 70 % of the inner filters cut by L1, 512
# images, 2,000 held-out training images: 1e-3 58.8 %, 1e-2 59.1 %, 0.1 57.8 %, all within chance.
RIDGE = 1e-3
MOST_UNKNOWNS = 4608  # inputs of a window; above it the channel form is used
MOST_ROWS = 2**18  # windows of a layer, drawn evenly from all of them where there are more
BATCHES = 8  # of 128 images
_ROWS_EACH = 5  # rows needed for each unknown, else the fit would follow chance
_HELD = 2**26  # numbers held in memory to save forward passes

Calls = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
Batches = Callable[[], Iterator[Tensor]]


@dataclass(frozen=True)
class LayerFits:
    """All refitted layers, the names of new biases, and a sentence about each layer left out."""

    layers: tuple[LayerFit, ...]
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
    held_out: Images | None = None,
    progress: Callable[[str], None] | None = None,
) -> LayerFits:
    """Refit the readers of removed channels on ``most`` batches of images, in place on ``module``,
    a whole copy of ``model``, whose removed channels are silenced.

    ``window``: the whole kernel over windows of the kept input, W' = W + D with D from
    (Cov(Z, Z) + r I) D^T = Cov(Z, Y - Y'), r = ridge * trace / n; Y what the reader puts out in
    the uncut network, Y' in the cut one, Z the windows there. The ridge pulls towards the old
    kernel, so an endless one is 'bias' (our reading). Else, and where a window has more than 4608
    inputs or too few rows, the removed channels are expressed by the kept ones: W'_K += W_P X,
    X = Cov(P, K) (Cov(K, K) + r I)^-1. Grouped convolutions get the mean alone. Norms of the cut
    network use the statistics of the batch meanwhile: estimate them anew afterwards. With images
    ``held_out``, each refit is measured on them and on images of the fit (fit_errors.py), which
    changes nothing in the fit. ``progress`` gets a line for each batch.
    """
    lost, notes = readers(module, groups, removed)
    whole = copy.deepcopy(module).eval()
    silence(module, groups, removed)
    execution = execute(module, model.input_shape, name=model.name)
    used = min(len(images), most * BATCH)
    found, layers, added = [], [], []
    for name in [name for name in execution.calls if name in lost]:
        calls, part = execution.calls[name], module.get_submodule(name)
        reader = Reader(
            name, part, whole.get_submodule(name), lost[name], _size(name, groups), len(calls),
            norm=name_behind(execution, name),
            held=used * sum(int(np.prod(ins[1:])) for ins, _ in calls) <= _HELD,
        )  # fmt: skip
        reader, why = _formed(reader, calls, used, window)
        found.append((reader, _numbers(reader, calls, used)))
        notes += (f"'{name}' {why}.",) if why else ()
    norms = _set_live(module)
    measured = rulers(module, whole, model, groups, removed, images, held_out, most)

    def batches() -> Iterator[Tensor]:
        for batch in calibration_batches(model, images, most):
            if progress:  # for each batch anew: whoever hears it may stop the work there
                name = found[len(layers)][0].name
                progress(f"Refitting '{name}', {len(layers) + 1} of {len(found)}")
            yield batch

    for some in _together(found):
        for reader, theirs in _beside(whole, some, batches):
            made, new = _refitted(module, whole, reader, theirs, batches, ridge, measured)
            silence(module, groups, removed)  # outputs that are cut themselves stay at 0
            layers.append(made)
            added += [f"{reader.name}.bias"] if new else []
    for norm in norms:
        norm.track_running_stats = True
        norm.eval()
    return LayerFits(tuple(layers), tuple(added), notes)


def _together(found: Sequence[tuple[Reader, int]]) -> Iterator[list[Reader]]:
    """Readers in a row whose numbers may be held in memory together."""
    some: list[Reader] = []
    held = 0
    for reader, numbers in found:
        if some and held + numbers > _HELD:
            yield some
            some, held = [], 0
        some.append(reader)
        held += numbers
    if some:
        yield some


def _beside(
    whole: nn.Module, some: Sequence[Reader], batches: Batches
) -> Iterator[tuple[Reader, Iterator[Look]]]:
    """Each reader with what the whole network shows of it: one pass for several of them, whose
    numbers are held; or passes as they are needed for one alone."""
    follow: dict[str, Any] = {
        r.name: whole.get_submodule(r.norm) for r in some if r.form != "channel" and r.norm
    }
    follow = {name: norm for name, norm in follow.items() if norm.running_var is not None}

    def looks() -> Iterator[Look]:
        for turn, batch in enumerate(batches()):
            yield look(whole, some, batch, turn, follow=follow)

    held = list(looks()) if len(some) > 1 else None
    for reader in some:
        yield reader, iter(held) if held is not None else looks()


def _refitted(
    module: nn.Module,
    whole: nn.Module,
    reader: Reader,
    looks: Iterator[Look],
    batches: Batches,
    ridge: float,
    measured: ErrorProbe,
) -> tuple[LayerFit, bool]:
    """Fit one reader of the cut network, and let the norm behind it keep its scale; whether it
    has a new bias."""
    part, norm = reader.part, module.get_submodule(reader.norm) if reader.norm else None
    before = whole.get_submodule(reader.norm) if reader.norm else None
    held: list[Tensor] = []

    def calls() -> Iterator[tuple[int, Call, Call]]:
        for turn, (batch, theirs) in enumerate(zip(batches(), looks, strict=True)):
            follow = {reader.name: before} if reader.name in theirs.followed else {}
            ours = look(module, [reader], batch, turn, follow=follow, cut=True)
            sides = (ours.calls[reader.name], theirs.calls[reader.name])
            for number, pair in enumerate(zip(*sides, strict=True)):
                yield turn * reader.calls + number, *pair
                if norm is not None and reader.held and pair[0].read is not None:
                    held.append(pair[0].read)

    wrong = measured.before(reader)
    made, offset = FITS[reader.form](reader, calls(), ridge)
    in_norm = norm is not None and part.bias is None
    new = absorb(part, norm, offset)
    made = measured.after(reader, made, wrong, offset if in_norm and not new else None)
    if reader.form != "bias" and norm is not None:
        again = held or reads(module, reader.name, batches())
        hold_scale(norm, before, *put_out(part, again), in_norm * offset)
    return made, new


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


def _formed(reader: Reader, calls: Calls, images: int, window: bool) -> tuple[Reader, str]:
    """The reader with 'window', 'channel' or 'bias', and why it is less than was asked for."""
    part, alone = reader.part, "so it takes up the mean alone"
    read, put = (images * sum(positions(part, call[side]) for call in calls) for side in (0, 1))
    if getattr(part, "groups", 1) > 1:
        return replace(reader, share=_share(put)), f"is a grouped convolution, {alone}"
    if reader.size == 0:
        return reader, f"reads flattened maps of several sizes, {alone}"
    kept = len(reader.units[0])
    unknowns = part.weight[0].numel() // inputs_of(part) * reader.size * kept
    if window and reader.size == 1 and _ROWS_EACH * unknowns <= put and unknowns <= MOST_UNKNOWNS:
        return replace(reader, form="window", share=_share(put)), ""
    if read * reader.size < _ROWS_EACH * kept:
        return reader, f"has {kept} inputs, too many for {images} images, {alone}"
    why = "is refitted channel by channel, as it has too many inputs for windows"
    return replace(reader, form="channel", share=_share(read * reader.size)), why if window else ""


def _share(rows: int) -> float:
    return min(1.0, MOST_ROWS / max(1, rows))


def _numbers(reader: Reader, calls: Calls, images: int) -> int:
    """How many numbers of the whole network the fit of a reader needs."""
    side, each = (
        (0, len(reader.units[1])) if reader.form == "channel" else (1, len(reader.part.weight))
    )
    if reader.form == "bias":
        return each
    rows = images * sum(positions(reader.part, call[side]) for call in calls)
    return int(rows * reader.share * max(1, reader.size)) * each


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
