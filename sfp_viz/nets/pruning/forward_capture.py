"""One forward pass, watched: what some layers read and put out, and no further than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sfp_viz.nets.tracing.execution import tensors_of

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


_ADDS = {
    torch.add,
    Tensor.add,
    Tensor.add_,
    Tensor.__add__,
    Tensor.__radd__,
    Tensor.__iadd__,
}


class Streams(TorchFunctionMode):
    """Watches a forward pass for what tensors are added to.

    ``settled(name, other)`` is called once for each tensor followed under a ``name``: with the
    ``other`` tensor when the first thing that happens to it is a plain addition of the same
    shape, before it is carried out; else with None, as soon as anything else is computed from it
    (what is added later may then depend on it, and a change to it would change both).
    """

    def __init__(self, settled: Callable[[str, Tensor | None], None]) -> None:
        super().__init__()
        self._settled = settled
        self._open: dict[int, tuple[str, Tensor]] = {}  # held, so that ids stay their own

    def follow(self, name: str, tensor: Tensor) -> None:
        """Follow ``tensor`` from here on."""
        self._open[id(tensor)] = (name, tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        ids = {id(tensor) for tensor in tensors_of((args, kwargs))} if self._open else set()
        met = [self._open[key] for key in ids if key in self._open]
        others = {name: _added(func, args, kwargs, tensor) for name, tensor in met}
        for name, tensor in met:
            if others[name] is not None:
                del self._open[id(tensor)]
        for name, other in others.items():
            if other is not None:
                self._settled(name, other)
        made = func(*args, **kwargs)
        if tensors_of(made):  # looking at a shape or a device is no use of it
            for name, tensor in met:
                if others[name] is None:
                    del self._open[id(tensor)]
                    self._settled(name, None)
        return made


def _added(func: Any, args: tuple, kwargs: Mapping[str, Any], watched: Tensor) -> Tensor | None:
    """What ``watched`` is added to by this call, one to one; None when it is no such addition."""
    if func not in _ADDS or kwargs.get("alpha", 1) != 1 or len(args) > 2:
        return None
    pair = [*args, *(kwargs[key] for key in ("input", "other") if key in kwargs)]
    others = [part for part in pair if part is not watched]
    if len(others) != 1 or not isinstance(others[0], Tensor):
        return None
    return others[0] if others[0].shape == watched.shape else None
