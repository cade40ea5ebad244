"""One forward pass, observed: what some layers read and put out, stopped as early as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sfp_viz.nets.forward import tensors_of

OnCall = Callable[[str, Tensor, Tensor], None]
OnAddition = Callable[[str, Tensor], None]


class _Complete(Exception):
    """Everything asked for was captured; the rest of the forward pass is not needed."""


def capture(
    module: nn.Module,
    calls: Mapping[str, int],
    batch: Tensor,
    on_call: OnCall,
    *,
    norms: Mapping[str, str] | None = None,
    on_addition: OnAddition | None = None,
) -> None:
    """Run ``module`` on ``batch`` until each layer in ``calls`` has run that many times.

    Args:
        module: The network.
        calls: Layers to observe, with the number of calls of each.
        batch: Normalized images [images, channels, height, width].
        on_call: Called with (name, input, output) at each call. Copy what you keep: it may be
            written over later.
        norms: For some of the layers, the BatchNorm that reads their output.
        on_addition: Called with (name, other) when the first use of such a norm's output is an
            addition to the tensor ``other`` (see AdditionTracker).
    """
    calls_left = dict(calls)
    norms_left = set(norms or ())

    def on_first_use(name: str, other: Tensor | None) -> None:
        if other is not None and on_addition is not None:
            on_addition(name, other)
        norms_left.discard(name)
        stop_when_complete()

    def stop_when_complete() -> None:
        if not norms_left and not any(calls_left.values()):
            raise _Complete

    def layer_hook(name: str) -> Any:
        def record(layer: nn.Module, args: tuple, output: Tensor) -> None:
            on_call(name, args[0], output)
            calls_left[name] -= 1
            stop_when_complete()

        return record

    def norm_hook(name: str) -> Any:
        return lambda norm, args, output: tracker.follow(name, output)

    tracker = AdditionTracker(on_first_use)
    handles = [module.get_submodule(n).register_forward_hook(layer_hook(n)) for n in calls]
    for name, norm in (norms or {}).items():
        handles.append(module.get_submodule(norm).register_forward_hook(norm_hook(name)))
    try:
        with torch.no_grad(), tracker if norms else nullcontext():
            module(batch)
    except _Complete:
        pass
    finally:
        for handle in handles:
            handle.remove()


def layer_inputs(module: nn.Module, name: str, batches: Iterator[Tensor]) -> Iterator[Tensor]:
    """What one layer reads on each of the batches.

    Args:
        module: The network.
        name: The layer, which runs once in a pass.
        batches: Normalized images [images, channels, height, width].
    """
    for batch in batches:
        captured: list[Tensor] = []
        capture(module, {name: 1}, batch, lambda _, inputs, outputs, to=captured: to.append(inputs))
        yield captured[0]


_ADDITIONS = {
    torch.add,
    Tensor.add,
    Tensor.add_,
    Tensor.__add__,
    Tensor.__radd__,
    Tensor.__iadd__,
}


class AdditionTracker(TorchFunctionMode):
    """Observes what tensors are added to during a forward pass.

    ``on_first_use(name, other)`` is called once for each followed tensor: with the ``other``
    tensor when the first thing computed from it is a plain addition of the same shape, before
    that is carried out; else with None, as soon as anything else is computed from it (what is
    added later may then depend on it, and a change to it would change both).
    """

    def __init__(self, on_first_use: Callable[[str, Tensor | None], None]) -> None:
        super().__init__()
        self._on_first_use = on_first_use
        self._followed: dict[int, tuple[str, Tensor]] = {}  # tensors kept, so that ids stay unique

    def follow(self, name: str, tensor: Tensor) -> None:
        """Follow a tensor from here on.

        Args:
            name: The name under which ``on_first_use`` hears of it.
            tensor: The tensor.
        """
        self._followed[id(tensor)] = (name, tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        ids = {id(tensor) for tensor in tensors_of((args, kwargs))} if self._followed else set()
        used = [self._followed[key] for key in ids if key in self._followed]
        summands = {name: _other_summand(func, args, kwargs, tensor) for name, tensor in used}
        for name, tensor in used:
            if summands[name] is not None:
                del self._followed[id(tensor)]
        for name, summand in summands.items():
            if summand is not None:
                self._on_first_use(name, summand)
        result = func(*args, **kwargs)
        if tensors_of(result):  # reading a shape or a device is no use of a tensor
            for name, tensor in used:
                if summands[name] is None:
                    del self._followed[id(tensor)]
                    self._on_first_use(name, None)
        return result


def _other_summand(
    func: Any, args: tuple, kwargs: Mapping[str, Any], tensor: Tensor
) -> Tensor | None:
    """What ``tensor`` is added to by this call, element by element; None for any other call."""
    if func not in _ADDITIONS or kwargs.get("alpha", 1) != 1 or len(args) > 2:
        return None
    summands = [*args, *(kwargs[key] for key in ("input", "other") if key in kwargs)]
    others = [value for value in summands if value is not tensor]
    if len(others) != 1 or not isinstance(others[0], Tensor):
        return None
    return others[0] if others[0].shape == tensor.shape else None
