"""The reading of weights without a network: their filters, and no more."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from sfp_viz.core.network import Cause, ConvLayer, CostTerm, FilterGroup, Network, Width
from sfp_viz.errors import ModelError
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo.tensor_units import Unit, normed, units_of

_EPSILON = 1e-5  # of torch's BatchNorm


def bare_network(model: Model) -> Network:
    """The convolutions of ``model`` in the order of its file, each a group that is left whole.

    Strides and maps are unknown: costs have params alone, and no MACs.

    Raises:
        ModelError: It has no convolution with several filters.
    """
    state = model.module.state_dict()
    units, _ = units_of({name: tuple(tensor.shape) for name, tensor in state.items()})
    pairs = [pair for pair in normed(units) if pair[0].kind == "conv" and pair[0].shape[0] > 1]
    if not pairs:
        raise ModelError(f"The weights '{model.name}' have no convolution with several filters.")
    why = Cause("no_network")
    layers, groups, terms = [], [], []
    for unit, norm in pairs:
        name = unit.owner or unit.keys["weight"]
        weight = _array(state[unit.keys["weight"]])
        scale, gamma = _scales(norm, state)
        layers.append(ConvLayer(name, weight, (1, 1), 1, (1, 1), scale, gamma))
        groups.append(FilterGroup(name, (name,), len(weight), protected=True, cause=why))
        window = weight.shape[2] * weight.shape[3]
        outs, ins = Width(((name, 1),)), Width((("", weight.shape[1]),))
        terms.append(CostTerm(name, 0, window, int("bias" in unit.keys), outs, ins))
    return Network(
        name=model.name,
        digest=model.digest,
        input_shape=model.input_shape,
        layers=tuple(layers),
        groups=tuple(groups),
        terms=tuple(terms),
    )


def _scales(
    norm: Unit | None, state: dict[str, Tensor]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """gamma / sqrt(variance + eps), and gamma alone, of the norm behind a layer."""
    if norm is None or not {"weight", "var"} <= norm.keys.keys():
        return None, None
    gamma, var = (_array(state[norm.keys[role]]) for role in ("weight", "var"))
    if (var < 0).any():
        return None, gamma
    return (gamma / np.sqrt(var + _EPSILON)).astype(np.float32), gamma


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.float().numpy().copy()
