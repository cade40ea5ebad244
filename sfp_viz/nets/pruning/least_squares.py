"""Refit every reader of removed channels by least squares, in forward order (docs/method.md).

Each reader is fitted to give, from its inputs in the cut network, the outputs that it has in the
uncut one. Streamed: memory is bounded by one batch, one chunk of windows and one matrix a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from sfp_viz.core.plan.prune_report import LayerFit, PruneReport
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.pruning.calibration import BATCH, add_constant, calibration_batches
from sfp_viz.nets.pruning.cut_context import CutContext
from sfp_viz.nets.pruning.fit_errors import ErrorProbe, error_probe
from sfp_viz.nets.pruning.forward_capture import layer_inputs
from sfp_viz.nets.pruning.im2col import input_count, position_count
from sfp_viz.nets.pruning.layer_fits import FITS, Call, Captured, Reader, capture_calls
from sfp_viz.nets.pruning.norm_rescaling import output_moments, rescale_norm
from sfp_viz.nets.tracing.channel_groups import ChannelGroup
from sfp_viz.nets.tracing.execution import BATCH_NORMS

_ROWS_PER_UNKNOWN = 5  # fewer rows than that, and the fit would follow chance

Shapes = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]  # of inputs and outputs, by call
Batches = Callable[[], Iterator[Tensor]]


@dataclass(frozen=True)
class FitOptions:
    """How layers are refitted; the defaults are what the method does.

    Attributes:
        ridge: Ridge, as a share of the mean variance of the inputs. Published ResNet-20, 70 % of
            the inner filters cut by L1, 512 images, 2,000 held-out training images: 1e-3 58.8 %,
            1e-2 59.1 %, 0.1 57.8 %, all within chance.
        batches: How many batches of 128 calibration images to use at most.
        follow_streams: Fit the residual stream that a layer's output is added to, instead of the
            output alone.
        batch_statistics: During the refit, norms of the cut network use the statistics of each
            batch, as they will after BatchNorm is re-estimated, instead of those of the uncut
            network.
        rescale_norms: Keep the scale of a refitted layer through the BatchNorm behind it.
        max_unknowns: Windows with more inputs than that are not fitted as a whole, but channel by
            channel.
        max_rows: How many rows a layer is fitted on at most, sampled evenly from all of them.
        max_kept: How many numbers are kept in memory at most, to save forward passes.
    """

    ridge: float = 1e-3
    batches: int = 8
    follow_streams: bool = True
    batch_statistics: bool = True
    rescale_norms: bool = True
    max_unknowns: int = 4608
    max_rows: int = 2**18
    max_kept: int = 2**26


def refit(
    cut: CutContext,
    images: Images,
    *,
    window: bool = True,
    held_out: Images | None = None,
    options: FitOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> PruneReport:
    """Refit the readers of removed channels, in place on the copy; silences removed channels.

    'window': the whole kernel on windows of the kept input, W' = W + D with D from
    (Cov(Z, Z) + r I) D^T = Cov(Z, Y - Y'), r = ridge * trace / n; Y the reader's outputs in the
    uncut network, Y' in the cut one, Z the windows there. The ridge pulls towards the old kernel,
    so an infinite one is 'bias' (our reading). 'channel': the removed channels are expressed by
    the kept ones: W'_K += W_P X, X = Cov(P, K) (Cov(K, K) + r I)^-1. Grouped convolutions are
    fitted to the mean alone. Norms of the cut network use the statistics of the batch meanwhile:
    re-estimate them afterwards.

    Args:
        cut: The cut.
        images: Calibration images.
        window: Fit 'window' where a window has few enough inputs and there are enough rows;
            'channel' elsewhere, and everywhere for False.
        held_out: Other images; the errors of each refit are measured on them and on images of
            the fit (fit_errors.py), which does not change the fit.
        options: How to fit.
        progress: Called with a line for each batch.

    Raises:
        DataError: Images do not fit the network.
    """
    options = options or FitOptions()
    original = copy_module(cut.module).eval()
    cut.silence()
    used = min(len(images), options.batches * BATCH)
    readers, notes = _readers(cut, original, used, window, options)
    norms = _use_batch_statistics(cut.module) if options.batch_statistics else []
    probe = error_probe(
        cut, original, images, held_out,
        batches=options.batches, follow_streams=options.follow_streams,
    )  # fmt: skip
    layers: list[LayerFit] = []
    added: list[str] = []

    def batches() -> Iterator[Tensor]:
        for batch in calibration_batches(cut.model, images, options.batches):
            if progress:  # at each batch, because the callback may stop the work there
                name = readers[len(layers)].name
                progress(f"Refitting '{name}', {len(layers) + 1} of {len(readers)}")
            yield batch

    for chunk in _memory_chunks(cut, readers, used, options.max_kept):
        for reader, captured in _with_originals(original, chunk, batches, options):
            fit, has_new_bias = _refit_layer(
                cut, original, reader, captured, batches, options, probe
            )
            cut.silence()  # outputs that are cut themselves remain 0
            layers.append(fit)
            added += [f"{reader.name}.bias"] if has_new_bias else []
    for norm in norms:
        norm.track_running_stats = True
        norm.eval()
    return PruneReport(tuple(added), (*cut.notes, *notes), tuple(layers))


def _readers(
    cut: CutContext, original: nn.Module, images: int, window: bool, options: FitOptions
) -> tuple[list[Reader], list[str]]:
    """The readers in forward order, with the form of their fits; and a sentence about each that
    is fitted in a simpler form than ``window`` asks for."""
    readers, notes = [], []
    for name in [name for name in cut.execution.calls if name in cut.readers]:
        shapes = cut.execution.calls[name]
        inputs = sum(int(np.prod(ins[1:])) for ins, _ in shapes)
        reader = Reader(
            name, cut.layer(name), original.get_submodule(name), cut.readers[name],
            _unit_size(name, cut.groups), len(shapes),
            norm=cut.execution.own_norm(name),
            keeps_inputs=images * inputs <= options.max_kept,
        )  # fmt: skip
        reader, reason = _with_form(reader, shapes, images, window, options)
        readers.append(reader)
        notes += [f"'{name}' {reason}."] if reason else []
    return readers, notes


def _memory_chunks(
    cut: CutContext, readers: Sequence[Reader], images: int, most: int
) -> Iterator[list[Reader]]:
    """Readers in a row whose numbers may be kept in memory together."""
    chunk: list[Reader] = []
    kept = 0
    for reader in readers:
        numbers = _kept_numbers(reader, cut.execution.calls[reader.name], images)
        if chunk and kept + numbers > most:
            yield chunk
            chunk, kept = [], 0
        chunk.append(reader)
        kept += numbers
    if chunk:
        yield chunk


def _with_originals(
    original: nn.Module, readers: Sequence[Reader], batches: Batches, options: FitOptions
) -> Iterator[tuple[Reader, Iterator[Captured]]]:
    """Each reader with what is captured of it in the uncut network: in one pass for several
    readers, kept in memory; or in passes as they are needed for a single one."""
    follow: dict[str, Any] = {
        reader.name: original.get_submodule(reader.norm)
        for reader in readers
        if options.follow_streams and reader.form != "channel" and reader.norm
    }
    follow = {name: norm for name, norm in follow.items() if norm.running_var is not None}

    def passes() -> Iterator[Captured]:
        for turn, batch in enumerate(batches()):
            yield capture_calls(original, readers, batch, turn, follow=follow)

    kept = list(passes()) if len(readers) > 1 else None
    for reader in readers:
        yield reader, iter(kept) if kept is not None else passes()


def _refit_layer(
    cut: CutContext,
    original: nn.Module,
    reader: Reader,
    captured: Iterator[Captured],
    batches: Batches,
    options: FitOptions,
    probe: ErrorProbe,
) -> tuple[LayerFit, bool]:
    """Fit one reader of the cut network, and rescale the norm behind it; whether it got a new
    bias."""
    layer, norm = reader.layer, cut.norm(reader.name)
    original_norm = original.get_submodule(reader.norm) if reader.norm else None
    kept_inputs: list[Tensor] = []

    def call_pairs() -> Iterator[tuple[int, Call, Call]]:
        for turn, (batch, original_calls) in enumerate(zip(batches(), captured, strict=True)):
            follow = (
                {reader.name: original_norm} if reader.name in original_calls.in_streams else {}
            )
            cut_calls = capture_calls(cut.module, [reader], batch, turn, follow=follow, cut=True)
            pairs = (cut_calls.calls[reader.name], original_calls.calls[reader.name])
            for number, (call, original_call) in enumerate(zip(*pairs, strict=True)):
                yield turn * reader.calls + number, call, original_call
                if norm is not None and reader.keeps_inputs and call.inputs is not None:
                    kept_inputs.append(call.inputs)

    before = probe.before(reader)
    fit, constant = FITS[reader.form](reader, call_pairs(), options.ridge)
    in_norm = norm is not None and layer.bias is None
    has_new_bias = add_constant(layer, norm, constant)
    behind = constant if in_norm and not has_new_bias else None
    fit = probe.after(reader, fit, before, behind)
    if reader.form != "bias" and norm is not None and options.rescale_norms:
        inputs = kept_inputs or layer_inputs(cut.module, reader.name, batches())
        rescale_norm(norm, original_norm, *output_moments(layer, inputs), in_norm * constant)
    return fit, has_new_bias


def _use_batch_statistics(module: nn.Module) -> list[Any]:
    """Let norms use each batch's own statistics, without keeping them: as they will after
    BatchNorm is re-estimated, which the fit has to suit. Returns these norms."""
    norms: list[Any] = [
        norm
        for norm in module.modules()
        if isinstance(norm, BATCH_NORMS) and norm.track_running_stats
    ]
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    return norms


def _with_form(
    reader: Reader, shapes: Shapes, images: int, window: bool, options: FitOptions
) -> tuple[Reader, str]:
    """The reader with 'window', 'channel' or 'bias', and why it is a simpler form than asked."""
    layer, alone = reader.layer, "so it takes up the mean alone"
    inputs, outputs = (
        images * sum(position_count(layer, call[side]) for call in shapes) for side in (0, 1)
    )
    if getattr(layer, "groups", 1) > 1:
        reader = replace(reader, share=_share(outputs, options))
        return reader, f"is a grouped convolution, {alone}"
    if reader.unit_size == 0:
        return reader, f"reads flattened maps of several sizes, {alone}"
    kept = len(reader.units[0])
    unknowns = layer.weight[0].numel() // input_count(layer) * reader.unit_size * kept
    enough = _ROWS_PER_UNKNOWN * unknowns <= outputs and unknowns <= options.max_unknowns
    if window and reader.unit_size == 1 and enough:
        return replace(reader, form="window", share=_share(outputs, options)), ""
    rows = inputs * reader.unit_size
    if rows < _ROWS_PER_UNKNOWN * kept:
        return reader, f"has {kept} inputs, too many for {images} images, {alone}"
    reason = "is refitted channel by channel, as it has too many inputs for windows"
    return replace(reader, form="channel", share=_share(rows, options)), reason if window else ""


def _share(rows: int, options: FitOptions) -> float:
    return min(1.0, options.max_rows / max(1, rows))


def _kept_numbers(reader: Reader, shapes: Shapes, images: int) -> int:
    """How many numbers of the uncut network the fit of a reader needs."""
    if reader.form == "bias":
        return len(reader.layer.weight)
    if reader.form == "channel":
        side, width = 0, len(reader.units[1])
    else:
        side, width = 1, len(reader.layer.weight)
    rows = images * sum(position_count(reader.layer, call[side]) for call in shapes)
    return int(rows * reader.share * max(1, reader.unit_size)) * width


def _unit_size(name: str, groups: Sequence[ChannelGroup]) -> int:
    """How many features in a row are one unit of a layer's inputs; 0 when that differs."""
    sizes = set()
    for group in groups:
        for span in group.slices:
            if span.name == name and span.side == "in":
                order = np.argsort(span.channels)
                channels, units = span.channels[order], span.units[order]
                changes = np.flatnonzero(np.diff(units) | (np.diff(channels) != 1)) + 1
                firsts = np.concatenate([[0], changes, [len(units)]])
                runs, starts = np.diff(firsts), channels[firsts[:-1]]
                even = len(set(runs)) == 1 and not (starts % runs[0]).any()
                sizes.add(int(runs[0]) if even else 0)
    return sizes.pop() if len(sizes) == 1 else 0
