"""One forward pass, watched: what some layers read and put out, and no further than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from sfp_viz.nets.streams import Streams

Called = Callable[[str, Tensor, Tensor], None]
Added = Callable[[str, Tensor], None]


class _Reached(Exception):
    """Everything asked for was seen; the rest of the forward pass is not needed."""


def watch(
    module: nn.Module,
    calls: Mapping[str, int],
    batch: Tensor,
    called: Called,
    *,
    norms: Mapping[str, str] | None = None,
    added: Added | None = None,
) -> None:
    """Run ``module`` on ``batch`` until each layer in ``calls`` has run that many times.

    ``called(name, read, put)`` is told each call. For a layer in ``norms``, ``added(name,
    other)`` is told what the output of that BatchNorm is added to, if that is the first thing
    that happens to it (streams.Streams). Copy what you keep: it may be written over later.
    """
    left = dict(calls)
    open_norms = set(norms or ())

    def settled(name: str, other: Tensor | None) -> None:
        if other is not None and added is not None:
            added(name, other)
        open_norms.discard(name)
        stop()

    def stop() -> None:
        if not open_norms and not any(left.values()):
            raise _Reached

    def on_layer(name: str) -> Any:
        def record(part: nn.Module, ins: tuple, out: Tensor) -> None:
            called(name, ins[0], out)
            left[name] -= 1
            stop()

        return record

    def on_norm(name: str) -> Any:
        return lambda part, ins, out: streams.follow(name, out)

    streams = Streams(settled)
    hooks = [module.get_submodule(n).register_forward_hook(on_layer(n)) for n in calls]
    for name, norm in (norms or {}).items():
        hooks.append(module.get_submodule(norm).register_forward_hook(on_norm(name)))
    try:
        with torch.no_grad(), streams if norms else nullcontext():
            module(batch)
    except _Reached:
        pass
    finally:
        for hook in hooks:
            hook.remove()


def reads(module: nn.Module, name: str, batches: Iterator[Tensor]) -> Iterator[Tensor]:
    """What the layer ``name``, which runs once, reads on each batch."""
    for batch in batches:
        found: list[Tensor] = []
        watch(module, {name: 1}, batch, lambda _, read, put, found=found: found.append(read))
        yield found[0]
