"""What every compensation needs to know about one cut, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.channel_groups import (
    ChannelGroup,
    module_or_parameter,
    removed_slices,
    silence,
)
from sfp_viz.nets.tracing.execution import Execution
from sfp_viz.nets.tracing.read_network import TracedModel, trace_model

Removed = Mapping[str, Sequence[int]]  # units to remove, by group name


@dataclass(frozen=True)
class CutContext:
    """One cut of ``model``, while its copy ``module`` is compensated and cut in place.

    Attributes:
        model: The uncut network; never written to.
        module: A copy of its module in evaluation mode, which compensations write to.
        groups: Its channel groups, as traced.
        removed: Units to remove, by group name.
        execution: What runs in a forward pass of the uncut network.
        readers: The convolutions and linear layers that read removed channels, with the
            positions of these channels among their inputs, sorted.
        notes: A sentence about each layer of another kind that reads removed channels; such a
            layer cannot be compensated.
    """

    model: Model
    module: nn.Module
    groups: Sequence[ChannelGroup]
    removed: Removed
    execution: Execution
    readers: Mapping[str, np.ndarray]
    notes: tuple[str, ...]

    def layer(self, name: str) -> Any:
        """The layer ``name`` of the copy."""
        return self.module.get_submodule(name)

    def norm(self, name: str) -> Any:
        """The BatchNorm of the copy that belongs to the layer ``name`` alone, or None."""
        norm = self.execution.own_norm(name)
        return self.module.get_submodule(norm) if norm else None

    def silence(self) -> None:
        """Set everything in the copy that writes removed channels to 0."""
        silence(self.module, self.groups, self.removed)

    def removed_outputs(self) -> dict[str, np.ndarray]:
        """Layers that lose outputs, with the positions of the outputs that they lose."""
        slices = removed_slices(self.groups, self.removed)
        return {span.name: channels for span, channels in slices if span.side == "out"}


def cut_context(model: Model, removed: Removed, traced: TracedModel | None = None) -> CutContext:
    """The context of cutting the units ``removed`` out of a copy of ``model``; nothing is cut yet.

    Args:
        model: The uncut network.
        removed: Units to remove, by group name.
        traced: ``trace_model(model)``, where it is there already.

    Raises:
        ModelError: The network does not run on images of its input shape.
    """
    execution, groups = traced or trace_model(model)
    module = copy_module(model.module).eval()
    readers: dict[str, np.ndarray] = {}
    notes: dict[str, None] = {}
    for span, channels in removed_slices(groups, removed):
        layer: Any = module_or_parameter(module, span.name) if span.side == "in" else None
        if isinstance(layer, nn.Conv2d | nn.Linear):
            readers[span.name] = np.union1d(readers.get(span.name, channels), channels)
        elif layer is not None:
            kind = type(layer).__name__
            notes[f"'{span.name}' ({kind}) cannot take up what the removed filters fed it."] = None
    return CutContext(model, module, groups, removed, execution, readers, tuple(notes))
