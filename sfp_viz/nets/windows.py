"""What a layer reads and puts out, as rows for a least-squares fit: streamed and in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.nets.streams import Partner

Seen = tuple[Tensor, Tensor]  # what a layer read, what it put out

_CHUNK = 2**22  # numbers of one chunk of rows


class _Reached(Exception):
    """Everything asked for was seen; the rest of the forward pass is not needed."""


def side_by_side(
    cut: nn.Module,
    whole: nn.Module,
    name: str,
    calls: int,
    batches: Iterator[Tensor],
    *,
    norm: str = "",
) -> Iterator[tuple[Seen, Seen]]:
    """What the layer ``name`` reads and puts out in two networks, for each of its ``calls``.

    With a BatchNorm ``norm`` behind it whose output is added to another stream, what the other
    stream lost in the cut network is added to what the whole one's layer puts out, in its units:
    a fit to this makes up for earlier errors as well (our design).
    """
    for batch in batches:
        ours, other = _seen(cut, name, calls, batch, norm)
        theirs, wanted = _seen(whole, name, calls, batch, norm)
        if other is not None and wanted is not None and other.shape == wanted.shape:
            read, put = theirs[0]
            theirs = [(read, put + _in_units(whole.get_submodule(norm), wanted - other))]
        yield from zip(ours, theirs, strict=True)


def seen(module: nn.Module, name: str, calls: int, batch: Tensor) -> list[Seen]:
    """What the layer ``name`` reads and puts out on one batch, for each of its ``calls``."""
    return _seen(module, name, calls, batch, "")[0]


def _seen(
    module: nn.Module, name: str, calls: int, batch: Tensor, norm: str
) -> tuple[list[Seen], Tensor | None]:
    """The same, and what the output of ``norm`` was added to."""
    found: list[Seen] = []
    follow = calls == 1 and bool(norm)
    partner = Partner()

    def record(part: nn.Module, ins: tuple, out: Tensor) -> None:
        # what is not the last thing looked at may be written over by what follows
        found.append((ins[0].clone(), out.clone()) if follow or calls > 1 else (ins[0], out))
        if len(found) == calls and not follow:
            raise _Reached

    def watch(part: nn.Module, ins: tuple, out: Tensor) -> None:
        partner.watched = out

    hooks = [module.get_submodule(name).register_forward_hook(record)]
    if follow:
        hooks.append(module.get_submodule(norm).register_forward_hook(watch))
    try:
        with torch.no_grad(), partner if follow else nullcontext():
            module(batch)
    except _Reached:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return found, partner.found


def _in_units(norm: Any, after: Tensor) -> Tensor:
    """A change ``after`` a BatchNorm with fixed statistics, as the change before it that makes
    it; 0 where the norm lets next to nothing through."""
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight.detach()
    through = scale.abs() > 1e-3 * scale.abs().max()
    back = torch.where(through, 1 / torch.where(through, scale, 1), 0)
    return after * back.view(1, -1, *[1] * (after.ndim - 2))


def inputs_of(part: Any) -> int:
    """How many channels or features a convolution or linear layer reads."""
    return part.in_features if isinstance(part, nn.Linear) else part.in_channels


def positions(part: Any, shape: tuple[int, ...]) -> int:
    """At how many positions of one image a layer reads or writes values of this ``shape``."""
    axes = shape[2:] if isinstance(part, nn.Conv2d) else shape[1:-1]
    return int(np.prod(axes, dtype=np.int64))


def window_rows(
    part: Any, seen: Seen, wanted: Tensor, kept: Tensor, *, share: float, turn: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows of the ``kept`` inputs [rows, kept * kernel] and what ``wanted`` adds to the output
    there [rows, outputs]; a ``share`` of all windows, drawn by ``turn``, in chunks."""
    given, put = seen
    apart = rows_of(part, wanted - put)
    chosen = _drawn(apart.shape[1], share, turn).to(given.device)
    each = len(chosen) * len(kept) * int(np.prod(part.weight.shape[2:], dtype=np.int64))
    for some in _chunks(len(given), each):
        windows = _windows(part, given[some], kept, chosen)
        yield windows.flatten(0, 1), apart[some][:, chosen].flatten(0, 1)


def unit_rows(
    part: Any, ours: Tensor, theirs: Tensor, kept: Tensor, *, size: int, share: float, turn: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Values of the ``kept`` units of ``ours`` [rows, kept] and of all units of ``theirs``, at a
    ``share`` of the positions; ``size`` features in a row of a linear layer are one unit."""
    shape = (len(ours), -1, rows_of(part, ours).shape[-1] // size)
    pair = [
        rows_of(part, maps).unflatten(-1, (-1, size)).transpose(-1, -2).reshape(shape)
        for maps in (ours, theirs)
    ]
    chosen = _drawn(pair[0].shape[1], share, turn).to(ours.device)
    for some in _chunks(len(ours), len(chosen) * shape[-1]):
        yield (
            pair[0][some][:, chosen][..., kept].flatten(0, 1),
            pair[1][some][:, chosen].flatten(0, 1),
        )


def rows_of(part: Any, values: Tensor) -> Tensor:
    """What a layer reads or puts out as [images, positions, channels or features]."""
    if isinstance(part, nn.Conv2d):
        return values.flatten(2).transpose(1, 2)
    return values.reshape(len(values), -1, values.shape[-1])


def _windows(part: Any, given: Tensor, kept: Tensor, chosen: Tensor) -> Tensor:
    """[images, positions, kept * kernel]; only the chosen windows are ever copied."""
    if isinstance(part, nn.Linear):
        return rows_of(part, given)[:, chosen][..., kept]
    fill = "constant" if part.padding_mode == "zeros" else part.padding_mode
    padded = F.pad(given[:, kept], part._reversed_padding_repeated_twice, mode=fill).contiguous()
    (tall, wide), (down, across), (far, aside) = part.kernel_size, part.stride, part.dilation
    high = (padded.shape[2] - far * (tall - 1) - 1) // down + 1
    broad = (padded.shape[3] - aside * (wide - 1) - 1) // across + 1
    image, channel, row, column = padded.stride()
    view = padded.as_strided(
        (len(padded), high, broad, len(kept), tall, wide),
        (image, row * down, column * across, channel, row * far, column * aside),
    )
    return view[:, chosen // broad, chosen % broad].flatten(2)


def _drawn(count: int, share: float, turn: int) -> Tensor:
    """A ``share`` of ``count`` positions, all of them for 1; always the same for a ``turn``."""
    if share >= 1:
        return torch.arange(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(turn))
    return order[: max(1, round(share * count))].sort().values


def _chunks(images: int, each: int) -> Iterator[slice]:
    """Slices of the images that hold a bounded number of values, ``each`` for one image."""
    step = max(1, _CHUNK // max(1, each))
    for start in range(0, images, step):
        yield slice(start, start + step)
