"""Cost terms: what every parametrised operation costs as a function of the groups' widths."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from sfp_viz.core.network import ONE, CostTerm, Width
from sfp_viz.nets.tracing.channel_groups import ChannelGroup
from sfp_viz.nets.tracing.constraints import is_depthwise
from sfp_viz.nets.tracing.execution import BATCH_NORMS, Execution

_PER_CHANNEL = (*BATCH_NORMS, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm, nn.PReLU)


def cost_terms(
    module: nn.Module, execution: Execution, groups: Sequence[ChannelGroup]
) -> tuple[CostTerm, ...]:
    """One term for each convolution, linear layer, norm and other holder of parameters.

    MACs that no module call accounts for (matrix products inside attention) become one constant
    term, so that the sum is torch's own count.

    Args:
        module: The network.
        execution: What runs in a forward pass of it.
        groups: Groups that can be cut; widths are sums over them, and all other channels are
            constants.
    """
    widths = _Widths.of(groups, module)
    counted: set[int] = set()  # a parameter that two modules share is counted once
    modules = dict(module.named_modules())
    order = {name: index for index, name in enumerate(execution.calls)}
    terms: list[CostTerm] = []
    for name in sorted(modules, key=lambda n: order.get(n, len(order))):
        layer = modules[name]
        own = {key: p for key, p in layer.named_parameters(recurse=False) if id(p) not in counted}
        counted |= {id(parameter) for parameter in own.values()}
        terms += _terms(name, layer, own, execution, widths)
    uncounted = execution.macs - sum(_macs(term, widths.whole) for term in terms)
    if uncounted:
        terms.append(CostTerm("other products", uncounted, 0, 0, ONE, ONE))
    return tuple(terms)


@dataclass(frozen=True)
class _Widths:
    """(module, 'out' or 'in') -> channels of each group there, per channel of the group."""

    sides: Mapping[tuple[str, str], Mapping[str, int]]
    whole: Mapping[str, int]

    @staticmethod
    def of(groups: Sequence[ChannelGroup], module: nn.Module) -> _Widths:
        parts: dict[str, Any] = dict(module.named_modules())
        sides: dict[tuple[str, str], Counter[str]] = {}
        whole = {group.name: group.size * group.repeats for group in groups}
        for group in groups:
            for span in group.slices:
                for side in ("out", "in") if span.side == "both" else (span.side,):
                    counts = sides.setdefault((span.name, side), Counter())
                    layer: Any = parts.get(span.name)
                    is_multiple = span.side == "both" and side == "in" and is_depthwise(layer)
                    each = layer.out_channels // layer.in_channels if is_multiple else 1
                    counts[group.name] += len(span.channels) // each // whole[group.name]
        return _Widths(sides, whole)

    def sum(self, name: str, side: str, channels: int) -> Width:
        """``channels`` of a module's side, as a sum over groups and a constant rest."""
        factors = self.sides.get((name, side), {})
        others = channels - Width(factors.items()).at(self.whole)
        constant = (("", others),) if others or not factors else ()
        return Width((*sorted(factors.items()), *constant))


def _terms(
    name: str,
    layer: Any,
    own: Mapping[str, nn.Parameter],
    execution: Execution,
    widths: _Widths,
) -> Iterator[CostTerm]:
    counted: set[str] = set()
    if isinstance(layer, nn.modules.conv._ConvNd):
        yield _convolution(name, layer, own, execution, widths)
        counted = {"weight", "bias"}
    elif isinstance(layer, nn.Linear):
        yield _linear(name, layer, own, execution, widths)
        counted = {"weight", "bias"}
    elif isinstance(layer, _PER_CHANNEL) and own and len(next(iter(own.values()))) > 1:
        outs = widths.sum(name, "out", len(next(iter(own.values()))))
        yield CostTerm(name, 0, 0, len(own), outs, ONE)
        counted = {"weight", "bias"}
    for key, parameter in own.items():
        if key not in counted:
            yield _bare(f"{name}.{key}" if name else key, parameter, widths)


def _convolution(
    name: str,
    layer: Any,
    own: Mapping[str, nn.Parameter],
    execution: Execution,
    widths: _Widths,
) -> CostTerm:
    calls = execution.calls.get(name, ())
    kernel = math.prod(layer.kernel_size)
    maps = [math.prod(outs[2:]) for _, outs in calls]
    in_maps = [math.prod(ins[2:]) for ins, _ in calls]
    ins = widths.sum(name, "in", layer.in_channels)
    depthwise = is_depthwise(layer) or layer.groups == layer.in_channels == layer.out_channels
    return CostTerm(
        owner=name,
        macs=kernel * sum(in_maps if layer.transposed else maps),
        params=kernel * ("weight" in own),
        bias=int("bias" in own),
        outs=widths.sum(name, "out", layer.out_channels),
        ins=ins,
        conv_groups=ins if depthwise else Width((("", layer.groups),)),
        map_size=max(maps, default=0),
        in_map_size=max(in_maps, default=0),
    )


def _linear(
    name: str,
    layer: Any,
    own: Mapping[str, nn.Parameter],
    execution: Execution,
    widths: _Widths,
) -> CostTerm:
    calls = execution.calls.get(name, ())
    positions = [math.prod(outs[1:-1]) for _, outs in calls]
    return CostTerm(
        owner=name,
        macs=sum(positions),
        params=int("weight" in own),
        bias=int("bias" in own),
        outs=widths.sum(name, "out", layer.out_features),
        ins=widths.sum(name, "in", layer.in_features),
        map_size=max(positions, default=0),
        in_map_size=max(positions, default=0),
    )


def _bare(path: str, parameter: nn.Parameter, widths: _Widths) -> CostTerm:
    """A parameter of its own: constant, or so many values for each channel of one group."""
    factors = widths.sides.get((path, "out"), {})
    channels = Width(factors.items()).at(widths.whole)
    if not channels or parameter.numel() % channels:
        return CostTerm(path, 0, 0, parameter.numel(), ONE, ONE)
    return CostTerm(path, 0, 0, parameter.numel() // channels, Width(sorted(factors.items())), ONE)


def _macs(term: CostTerm, whole: Mapping[str, int]) -> int:
    outs, ins, conv_groups = term.channels(whole)
    return term.macs * outs * ins // conv_groups
