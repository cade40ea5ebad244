"""Read a model: its layers in order of execution, the groups cut together, and exact costs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from sfp_viz.core.network import Cause, ConvLayer, FilterGroup, Network, filters_first
from sfp_viz.errors import ModelError
from sfp_viz.nets.forward import foreign_code, named_tensors, outputs_of
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.tracing.bare_network import bare_network
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, module_or_parameter
from sfp_viz.nets.tracing.cost_terms import cost_terms
from sfp_viz.nets.tracing.coupled_weights import coupled_weights
from sfp_viz.nets.tracing.dependency_groups import TraceError, trace
from sfp_viz.nets.tracing.execution import (
    BATCH_NORMS,
    Execution,
    execute,
    execute_in_training,
    layers_of,
)
from sfp_viz.nets.tracing.verification import failing_groups
from sfp_viz.nets.zoo.bare_weights import BareWeights

STEM_INPUTS = 4  # a first layer with so few input channels and filters is left whole
STEM_FILTERS = 16


def read_network(model: Model, *, progress: Callable[[str], None] | None = None) -> Network:
    """What the method needs to know of a network, as numbers and names without torch.

    Every group that is not protected has been cut on a copy with other weights and compared with
    silenced channels. A network that cannot be traced comes back with all groups protected.

    Args:
        model: The network.
        progress: Called with a line about each step.

    Raises:
        ModelError: It does not run on its input shape, or has no convolution.
    """
    check_model(model)
    if isinstance(model.module, BareWeights):
        return bare_network(model)
    say = progress or (lambda line: None)
    say("Running the network once to record its layers")
    execution = execute(model.module, model.input_shape, name=model.name)
    names = _names(model, execution)
    layers = tuple(_layer(model.module, name, execution) for name in names)
    say(f"Finding tied layers among the {len(layers)} layers")
    trained = execute_in_training(model.module, model.input_shape)
    groups, untraced = _groups(model, execution, trained)
    free = [group for group in groups if not group.problem]
    terms = cost_terms(model.module, execution, free)
    say(f"Pruning all {len(free)} prunable groups of a copy as a test")
    alone = _trained_alone(execution, trained)
    wrong = failing_groups(model.module, model.input_shape, free, terms, trained, alone, execution)
    if wrong:
        groups = [replace(g, problem=g.problem or wrong.get(g.name)) for g in groups]
        free = [group for group in free if group.name not in wrong]
        terms = cost_terms(model.module, execution, free)
    return Network(
        name=model.name,
        digest=model.digest,
        input_shape=model.input_shape,
        layers=layers,
        groups=_filter_groups(
            groups, layers, {n: _computed_weight(model.module, n) or untraced for n in names}
        ),
        terms=terms,
        classes=model.classes,
        data=model.data,
        along=coupled_weights(model.module, free),
        outputs=() if model.classes else _outputs(model),
        only_other_norms=any(term.macs == term.params == 0 and term.bias == 2 for term in terms)
        and not any(isinstance(part, BATCH_NORMS) for part in model.module.modules()),
    )


def _outputs(model: Model) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Name and shape, for one image, of each tensor that the network gives."""
    with foreign_code(f"The network '{model.name}' does not run on its images"):
        value = outputs_of(model.module, model.input_shape)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        value = value[0]  # of detectors: the boxes of each image
    return tuple((name, tuple(tensor.shape[1:])) for name, tensor in named_tensors(value).items())


class TracedModel(NamedTuple):
    """What ran in one dry pass of a network, and its ``channel_groups``."""

    execution: Execution
    groups: Sequence[ChannelGroup]


def trace_model(model: Model) -> TracedModel:
    """One dry run of ``model``, and its ``channel_groups``.

    Raises:
        ModelError: The network does not run on images of its input shape.
    """
    execution = execute(model.module, model.input_shape, name=model.name)
    trained = execute_in_training(model.module, model.input_shape)
    return TracedModel(execution, _groups(model, execution, trained)[0])


def channel_groups(model: Model) -> Sequence[ChannelGroup]:
    """The groups as traced, before the check of each; those that cannot be cut have a problem."""
    return trace_model(model).groups


def _names(model: Model, execution: Execution) -> tuple[str, ...]:
    names = layers_of(model.module, execution)
    if names:
        return names
    others = {type(m).__name__ for m in model.module.modules() if isinstance(m, _ConvNd)}
    raise ModelError(
        f"The convolutions of '{model.name}' are {', '.join(sorted(others))}; only those of "
        "images, Conv2d and ConvTranspose2d, can be explored and pruned here."
        if others
        else f"The network '{model.name}' has no convolution, so it has no filters to prune. "
        "Open a convolutional network."
    )


def _trained_alone(execution: Execution, trained: Execution | None) -> tuple[str, ...]:
    """The layers that run in training and not in evaluation."""
    return tuple(name for name in (trained.calls if trained else ()) if name not in execution.calls)


def _groups(
    model: Model, execution: Execution, trained: Execution | None
) -> tuple[list[ChannelGroup], Cause]:
    """The traced groups, and why the layers that are in none of them cannot be cut. A network
    with branches that run in training alone is traced in training, so that they are cut along."""
    module, shape = model.module, model.input_shape
    if trained and execution.calls.keys() < trained.calls.keys():
        with contextlib.suppress(TraceError):
            groups = trace(module, shape, execution, training=True)
            return [_left_whole(g, model, execution) for g in groups], Cause("untraced_layer")
    try:
        groups = trace(module, shape, execution)
    except TraceError as problem:
        return [], problem.cause
    return [_left_whole(g, model, execution) for g in groups], Cause("untraced_layer")


def _left_whole(group: ChannelGroup, model: Model, execution: Execution) -> ChannelGroup:
    """The group with what speaks against cutting it besides its trace."""
    computed = next(
        filter(None, (_computed_weight(model.module, s.name) for s in group.slices)), None
    )
    if computed and not group.problem:
        return replace(group, problem=computed)
    return _with_stem_protected(group, model, execution)


def _computed_weight(module: nn.Module, name: str) -> Cause | None:
    """Why a layer whose weight is worked out from other parameters cannot be cut."""
    layer: Any = module_or_parameter(module, name)
    if not isinstance(layer, nn.Module):
        return None
    if parametrizations := getattr(layer, "parametrizations", None):
        kinds = {type(p).__name__.strip("_") for steps in parametrizations.values() for p in steps}
        return Cause("computed_weight", operation=" ".join(sorted(kinds)), place=name)
    hooks = [type(hook).__name__ for hook in layer._forward_pre_hooks.values()]
    is_held = isinstance(getattr(layer, "weight", None), nn.Parameter | None)
    return None if is_held else Cause("computed_weight", operation=" ".join(hooks), place=name)


def _with_stem_protected(group: ChannelGroup, model: Model, execution: Execution) -> ChannelGroup:
    """The group that reads the image is left whole where it is narrow; one that has become narrow
    by cutting was free, and stays so."""
    module = model.module
    layer: Any = module.get_submodule(layers_of(module, execution)[0])
    is_stem = group.name == layers_of(module, execution)[0] and isinstance(layer, nn.Conv2d)
    if group.problem or not is_stem or any(plan.removed(group.name) for plan in model.plans):
        return group
    if layer.in_channels > STEM_INPUTS or layer.out_channels > STEM_FILTERS:
        return group
    return replace(group, problem=Cause("narrow_input", channels=layer.out_channels))


def _filter_groups(
    groups: Sequence[ChannelGroup], layers: Sequence[ConvLayer], untraced: Mapping[str, Cause]
) -> tuple[FilterGroup, ...]:
    """Every layer in exactly one group, groups in order of execution; ``untraced``: why each layer
    cannot be cut when it is in none of ``groups``."""
    filters = {layer.name: layer.filters for layer in layers}
    free: set[str] = set(filters)
    filter_groups: list[FilterGroup] = []
    for group in groups:
        members = [name for name in group.layers if name in free]
        followers = tuple(name for name in group.followers if name in free)
        free -= {*members, *followers}
        problem = group.problem
        if not problem:
            free_group = FilterGroup(
                group.name,
                group.layers,
                group.size,
                cause=_tie(group),
                repeats=group.repeats,
                followers=followers,
                spans=_spans(group, filters),
            )
            uneven = [n for n in group.layers if not free_group.fits(n, filters[n])]
            if not uneven and len(members) == len(group.layers):
                filter_groups.append(free_group)
                continue
            problem = Cause("misaligned", place=uneven[0] if uneven else group.name)
        for width in dict.fromkeys(filters[name] for name in members):  # tied, but not alike
            same = tuple(name for name in members if filters[name] == width)
            along = followers if width == filters[members[0]] else ()
            repeats = group.repeats if group.size * group.repeats == width else 1
            filter_groups.append(
                FilterGroup(same[0], same, width // repeats, True, problem, repeats, along)
            )
    filter_groups += [
        FilterGroup(n, (n,), filters[n], True, untraced[n]) for n in filters if n in free
    ]
    order = list(filters).index
    return tuple(sorted(filter_groups, key=lambda group: order(group.name)))


def _spans(
    group: ChannelGroup, filters: Mapping[str, int]
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The unit of each filter, in the layers where it is not filter u, u + size, u + 2 size ..."""
    spans = []
    for name in group.layers:
        slices = [span for span in group.slices if span.name == name and span.side != "in"]
        units = np.full(filters[name], -1)
        units[slices[0].channels] = slices[0].units
        usual = np.arange(group.size * group.repeats) % group.size
        if min(units) >= 0 and not np.array_equal(units, usual):
            spans.append((name, tuple(units.tolist())))
    return tuple(spans)


def _tie(group: ChannelGroup) -> Cause | None:
    """What ties the layers of a group; None for a single layer."""
    if len(group.layers) < 2:
        return None
    adds, multiplies = (k in group.operations for k in ("Add", "Mul"))
    return Cause("residual_add" if adds else "product" if multiplies else "shared_channels")


def _layer(module: nn.Module, name: str, execution: Execution) -> ConvLayer:
    layer: Any = module.get_submodule(name)
    outs = execution.calls[name][0][1]
    weight = _array(layer.weight)
    transposed = isinstance(layer, nn.ConvTranspose2d)
    if transposed:
        weight = filters_first(weight, layer.groups)
    scale, gamma = _norm_scales(module, execution.norms.get(name, ""), len(weight))
    if isinstance(layer, nn.Linear):  # applied at every position of [N, ..., features], or at one
        size = (outs[1] if len(outs) > 2 else 1, outs[2] if len(outs) > 3 else 1)
        filters = weight[:, :, None, None]
        return ConvLayer(name, filters, (1, 1), 1, size, scale, gamma, neurons=len(outs) == 2)
    stride = (layer.stride[0], layer.stride[1])
    size = (outs[2], outs[3])
    return ConvLayer(name, weight, stride, layer.groups, size, scale, gamma, transposed=transposed)


def _norm_scales(
    module: nn.Module, norm: str, filters: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """gamma / sqrt(variance + eps), and gamma alone, of the BatchNorm behind a layer."""
    layer: Any = module.get_submodule(norm) if norm else None
    if layer is None or layer.num_features != filters:
        return None, None
    gamma = np.ones(filters, np.float32) if layer.weight is None else _array(layer.weight)
    if layer.running_var is None:
        return None, gamma
    return (gamma / np.sqrt(_array(layer.running_var) + layer.eps)).astype(np.float32), gamma


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().numpy().copy()
