"""Measure what each layer takes on this machine, and what it would take with fewer channels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from sfp_viz.core.cost.latency_table import LatencyTable, widths_to_measure
from sfp_viz.core.network import Network
from sfp_viz.errors import ModelError
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.execution import CONVOLUTIONS, execute

WHOLE = ("", 0, 0)  # the task that measures the whole network with all its layers inside
_LAYERS = (*CONVOLUTIONS, nn.Linear)
_WARM = 3  # passes that choose kernels and fill caches, not counted
_LONG = 0.3  # seconds that one point may take; slow layers get fewer repeats, at least three
_SHORT = 5e-4  # seconds; shorter calls are timed several together


def layer_times(model: Model, *, batch: int = 1, repeats: int = 20) -> dict[str, float]:
    """Milliseconds of each convolution and linear layer, in order of execution; measured on the
    CPU.

    The least over the forward passes of the whole network, taken with hooks around each layer:
    in its real place, with the caches as the layers before leave them. The least, because other
    programs on the machine only ever add to it. A layer that runs several times in a pass is
    summed.

    Args:
        model: The network.
        batch: Images per pass.
        repeats: How many passes to time.
    """
    return {name: ms for name, ms in _in_place(model, batch, repeats).items() if name}


def table_tasks(model: Model, network: Network) -> tuple[tuple[str, int, int], ...]:
    """What there is to measure for a latency table.

    Args:
        model: The network.
        network: Its reading.

    Returns:
        The whole network, ('', 0, 0); each layer in its place there, (layer, 0, 0); and each layer
        alone at other widths, (layer, outputs, inputs).
    """
    modules = dict(model.module.named_modules())
    layers = [t for t in network.terms if t.macs and isinstance(modules.get(t.owner), _LAYERS)]
    return (
        WHOLE,
        *((term.owner, 0, 0) for term in layers),
        *((t.owner, outs, ins) for t in layers for outs, ins in widths_to_measure(network, t)),
    )


def measure_table(
    model: Model,
    *,
    todo: Sequence[tuple[str, int, int]],
    batch: int = 1,
    repeats: int = 20,
) -> Iterator[tuple[str, int, int, float]]:
    """Measure the tasks of a latency table, one after the other, on the CPU.

    A layer at other widths runs alone, on random numbers of its real map size: no network has
    these widths yet. ``latency_table`` brings these times and those in the network together.

    Args:
        model: The network.
        todo: The tasks, from ``table_tasks``.
        batch: Images per pass.
        repeats: How many passes to time; slow layers get fewer.

    Yields:
        (layer, outputs, inputs, milliseconds) for each task.
    """
    execution = execute(model.module, model.input_shape, name=model.name)
    inside: dict[str, float] | None = None
    for name, outs, ins in todo:
        if not outs and inside is None:
            inside = _in_place(model, batch, repeats)
        if not outs:
            yield name, outs, ins, (inside or {}).get(name, 0.0)
            continue
        layer = _resized(model.module.get_submodule(name), outs, ins)
        shapes = [_as_fed(layer, shape, batch, ins) for shape, _ in execution.calls[name]]
        yield name, outs, ins, _alone(layer, shapes, repeats)


def latency_table(
    network: Network,
    points: Sequence[tuple[str, int, int, float]],
    *,
    batch: int = 1,
) -> LatencyTable:
    """The latency table of measured points, all of this machine and thread count.

    A layer's times are scaled so that its whole width takes what it takes inside the network,
    where caches are colder than in a layer that runs again and again.

    Args:
        network: The reading of the network.
        points: What ``measure_table`` yielded.
        batch: Images per pass, as they were measured.

    Raises:
        ModelError: The whole network is not among the points.
    """
    whole_times = [ms for *task, ms in points if tuple(task) == WHOLE]
    if not whole_times:
        raise ModelError(
            "The latency table is incomplete, because the whole network was not measured. Measure "
            "it again."
        )
    inside = {n: ms for n, outs, _, ms in points if n and not outs}
    grids: dict[str, dict[tuple[int, int], float]] = {}
    for name, outs, ins, ms in points:
        if outs:
            grids.setdefault(name, {})[outs, ins] = ms
    scaled = {}
    for name, grid in grids.items():
        factor = inside.get(name, grid[max(grid)]) / max(grid[max(grid)], 1e-9)
        scaled[name] = tuple((a, b, ms * factor) for (a, b), ms in sorted(grid.items()))
    return LatencyTable(
        digest=network.digest,
        device="cpu",
        threads=torch.get_num_threads(),
        batch=batch,
        points=scaled,
        rest_ms=max(0.0, whole_times[-1] - sum(inside.values())),
        whole_ms=whole_times[-1],
    )


def _in_place(model: Model, batch: int, repeats: int) -> dict[str, float]:
    """Ms of each layer inside forward passes, and under '' of a pass without hooks."""
    clock = _clock()
    module = copy_module(model.module).eval()
    images = torch.zeros(batch, *model.input_shape)
    spent: dict[str, float] = {}
    passes: list[dict[str, float]] = []

    def start(name: str) -> Callable[..., None]:
        def note(*_: Any) -> None:
            spent[name] = spent.get(name, 0.0) - clock()

        return note

    def stop(name: str) -> Callable[..., None]:
        def note(*_: Any) -> None:
            spent[name] += clock()

        return note

    with torch.inference_mode():
        whole_seconds = _least(lambda: module(images), repeats)
        for name, layer in module.named_modules():
            if isinstance(layer, _LAYERS):
                layer.register_forward_pre_hook(start(name))
                layer.register_forward_hook(stop(name))
        for turn in range(repeats + _WARM):
            spent.clear()
            module(images)
            if turn >= _WARM:
                passes.append(dict(spent))
    return {
        "": 1e3 * whole_seconds,
        **{name: 1e3 * min(times[name] for times in passes) for name in passes[0]},
    }


def _clock() -> Callable[[], float]:
    """Seconds; of a single thread its own time, which other programs on the machine cannot add
    to; of several threads the clock on the wall."""
    return time.thread_time if torch.get_num_threads() == 1 else time.perf_counter


def _alone(layer: nn.Module, shapes: Sequence[tuple[int, ...]], repeats: int) -> float:
    with torch.inference_mode():
        inputs = [torch.rand(shape) for shape in shapes]
        return 1e3 * sum(_least(lambda x=x: layer(x), repeats) for x in inputs)


def _least(call: Callable[[], object], repeats: int) -> float:
    """Least seconds of ``call``: other programs on the machine only ever make it longer.

    Very short calls are timed several together.
    """
    clock, call_seconds = _clock(), 0.0
    for _ in range(_WARM):
        started = clock()
        call()
        call_seconds = clock() - started
    together = max(1, min(20, int(_SHORT / max(call_seconds, 1e-7))))
    seconds = []
    for _ in range(max(3, min(repeats, int(_LONG / max(call_seconds, 1e-7))))):
        started = clock()
        for _ in range(together):
            call()
        seconds.append((clock() - started) / together)
    return min(seconds)


def _resized(layer: Any, outs: int, ins: int) -> nn.Module:
    """A layer like ``layer`` with other widths and random weights."""
    if isinstance(layer, nn.Linear):
        return nn.Linear(ins, outs, bias=layer.bias is not None)
    depthwise = layer.groups == layer.in_channels == layer.out_channels
    settings: Mapping[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "groups": ins if depthwise else layer.groups,
        "bias": layer.bias is not None,
    }
    kind = nn.ConvTranspose2d if layer.transposed else nn.Conv2d
    extra = {"output_padding": layer.output_padding} if layer.transposed else {}
    return kind(ins, outs, **settings, **extra).eval()


def _as_fed(layer: nn.Module, shape: tuple[int, ...], batch: int, ins: int) -> tuple[int, ...]:
    if isinstance(layer, nn.Linear):
        return (batch, *shape[1:-1], ins)
    return (batch, ins, *shape[2:])
