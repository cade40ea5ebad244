"""What is added to a layer's output further on: the other arm of a residual addition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sfp_viz.nets.tracing.execution import tensors_of

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
