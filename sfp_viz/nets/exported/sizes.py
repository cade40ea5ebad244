"""Sizes that an export wrote down as numbers, made to follow the batch and the channels again.

torch.export keeps the sizes that were dynamic; every other size that a network works out from its
tensors (``x.view(b, c, 1, 1)``) becomes a number. The number of images is put back where the
network was exported for a fixed batch, and the number of channels is left to torch (-1), so that a
cut network works as its author's code would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sfp_viz.nets.exported.program import Batch, State, Step, Value, values_in

_RESHAPES = ("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")
_EXPANDS = ("aten.expand.default",)
_NEW = ("aten.zeros.", "aten.ones.", "aten.full.", "aten.rand.", "aten.randn.", "aten.empty.",
        "aten.new_")  # fmt: skip
Sizes = Mapping[str, tuple[int | None, ...]]


def with_free_sizes(
    steps: tuple[Step, ...], sizes: Sizes, images: str, batch: int | None
) -> tuple[Step, ...]:
    """The steps with sizes that follow the number of images and channels.

    Args:
        steps: In order.
        sizes: Shapes of all values, parameters and buffers by name as exported; None for what was
            dynamic.
        images: The input's name.
        batch: The number of images it was exported for; None where any was allowed.
    """
    dependent = {images}
    free = []
    for step in steps:
        from_images = any(
            isinstance(v, Value) and v.name in dependent
            for v in values_in((step.args, tuple(step.kwargs.values())))
        )
        if from_images:
            dependent |= set(step.outputs)
        free.append(_free(step, sizes, batch, from_images=from_images))
    return tuple(free)


def _free(step: Step, sizes: Sizes, batch: int | None, *, from_images: bool) -> Step:
    if step.target.startswith(_NEW):
        at = 1 if step.target.startswith("aten.new_") else 0
        if batch and batch > 1 and len(step.args) > at and isinstance(step.args[at], tuple):
            wanted = list(step.args[at])
            if wanted and wanted[0] == batch:
                return _with(step, at, [Batch(), *wanted[1:]])
        return step
    source = step.args[0] if step.args else None
    if (
        len(step.args) < 2
        or not isinstance(source, Value | State)
        or not isinstance(step.args[1], tuple)
    ):
        return step
    old, wanted = sizes.get(source.name, ()), list(step.args[1])
    if step.target in _EXPANDS:
        return _with(step, 1, _expanded(old, wanted, batch))
    if step.target in _RESHAPES and from_images:
        return _with(step, 1, _reshaped(old, wanted, batch))
    return step


def _with(step: Step, at: int, wanted: list[Any]) -> Step:
    return replace(step, args=(*step.args[:at], tuple(wanted), *step.args[at + 1 :]))


def _expanded(old: tuple[int | None, ...], wanted: list[Any], batch: int | None) -> list[Any]:
    """Dimensions that stay are -1; the first one is the batch where it grows to it."""
    ahead = len(wanted) - len(old)
    for i, size in enumerate(wanted):
        if isinstance(size, int) and i >= ahead and old[i - ahead] == size:
            wanted[i] = -1
    alone = batch == 1 and wanted[0] == -1 and len(wanted) == len(old) > 2 and old[0] == 1
    if batch and (alone or (batch > 1 and wanted[0] == batch)):
        wanted[0] = Batch()
    return wanted


def _reshaped(old: tuple[int | None, ...], wanted: list[Any], batch: int | None) -> list[Any]:
    first = wanted[0] if wanted else None
    if batch and isinstance(first, int) and first > 0 and first % batch == 0:
        wanted[0] = Batch(first // batch)
    ints = all(isinstance(size, int) for size in wanted[1:])
    if len(wanted) < 2 or not old or not ints or isinstance(wanted[0], int):
        return wanted
    if -1 in wanted[1:] or any(size is None for size in old[1:]):
        return wanted
    if (at := _channels(old[1:], wanted[1:])) is not None:
        wanted[at + 1] = -1
    return wanted


def _channels(old: tuple[Any, ...], new: list[int]) -> int | None:
    """Which of the new dimensions holds the channels, which are the first of the old; None where it
    cannot be told."""
    channels = old[0] if old else 0
    if not new or math.prod(old) != math.prod(new):
        return None
    if new[0] == channels or len(new) == 1:
        return 0
    if len(new) > 1 and new[0] * new[1] == channels:  # split, as channel shuffle does
        return 0 if new[0] > new[1] else 1
    if len(old) > 1 and old[0] * old[1] == new[0]:  # merged again
        return 0
    return None
