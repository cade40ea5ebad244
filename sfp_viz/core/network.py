"""A reading of a model: its convolutions, the groups cut together, and what everything costs.

Only numbers, names and read-only arrays, so that the method needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sfp_viz.errors import PlanError


@dataclass(frozen=True)
class ConvLayer:
    """One convolution, by its dotted path.

    ``weight`` is float32 [filters, channels, height, width], read-only. ``scale`` is, for a layer
    directly followed by BatchNorm, gamma / sqrt(variance + eps), float32 [filters]; else None.
    ``output_size`` is (height, width) of its output in pixels. ``conv_groups`` is torch's
    ``groups=``. ``bn_scale`` is the BatchNorm's gamma alone, or None. ``neurons``: it is a hidden
    linear layer, whose filters are neurons of one weight an input. ``transposed``: torch stores
    its weight with the channels first, see ``filters_first``.
    """

    name: str
    weight: np.ndarray
    stride: tuple[int, int]
    conv_groups: int
    output_size: tuple[int, int]
    scale: np.ndarray | None = None
    bn_scale: np.ndarray | None = None
    neurons: bool = False
    transposed: bool = False

    def __post_init__(self) -> None:
        for array in (self.weight, self.scale, self.bn_scale):
            if array is not None:
                array.setflags(write=False)

    @property
    def filters(self) -> int:
        return len(self.weight)


def filters_first(weight: np.ndarray, conv_groups: int = 1) -> np.ndarray:
    """The weight of a transposed convolution as filters, [filters, channels, height, width]
    (docs/method.md).

    torch stores it as [channels, filters / conv_groups, height, width]: the channels of a
    conv_group in a row, each with a slice for every filter of that conv_group.

    Args:
        weight: As torch stores it, with filters / conv_groups second.
        conv_groups: torch's ``groups=``, 1 or more.

    Raises:
        ValueError: The channels do not divide into the conv_groups.
    """
    channels, each, *window = weight.shape
    if conv_groups < 1 or channels % conv_groups:
        raise ValueError(f"{channels} channels do not divide into {conv_groups} conv_groups")
    blocks = weight.reshape(conv_groups, channels // conv_groups, each, *window)
    return blocks.swapaxes(1, 2).reshape(conv_groups * each, channels // conv_groups, *window)


CauseKind = Literal[
    "residual_add",
    "product",
    "shared_channels",
    "network_output",
    "joint_norm",
    "transposed_conv_groups",
    "shared_parameters",
    "coupled_module",
    "rearranged",
    "misaligned",
    "single_unit",
    "conv_groups",
    "narrow_input",
    "trial_cut",
    "trial_raises",
    "trial_cost",
    "untried",
    "training_alone",
    "computed_weight",
    "untraced_layer",
    "untraceable_network",
    "no_network",
    "text",
]


@dataclass(frozen=True)
class Cause:
    """What ties the layers of a group ('residual_add', 'product', 'shared_channels'), or why a
    group cannot be cut; text/groups.py says it in words.

    ``operation`` is torch's name of what happens to the channels, or the class of a module, and
    ``place`` the dotted path of the module where that is ('' for the network itself).
    ``channels``: those of the group, where their number matters. ``conv_groups``: those of the
    convolution at ``place``. ``text``: what an error said ('untraceable_network', 'trial_raises',
    'untried', 'training_alone'), or a sentence of an earlier reading that has no kind of its own
    ('text').
    """

    kind: CauseKind
    operation: str = ""
    place: str = ""
    channels: int = 0
    conv_groups: int = 0
    text: str = ""

    @property
    def label(self) -> str:
        """The kind and the place in a few words, for the message of an error."""
        at = f" at '{self.place}'" if self.place else ""
        if self.kind == "training_alone":
            return f"{self.place or 'a part'} runs in training alone"
        if self.kind == "computed_weight":
            return f"the weight is computed by {self.operation}{at}"
        by = f" by {self.operation}" if self.operation else ""
        return (self.text or self.kind.replace("_", " ") + by) + at


@dataclass(frozen=True)
class FilterGroup:
    """Convolutions whose filters must be cut together, named after its first layer.

    ``size`` is the number of units, each of ``repeats`` channels. A unit is one filter, or, with
    grouped convolutions, one offset inside every conv_group: filter u, u + size, u + 2 size ... of
    each layer. ``spans`` lists the layers in which units are other filters, with the unit of each
    filter there: whole groups of a GroupNorm, or several filters of a layer that is wider than the
    others. ``layers`` are the layers whose filters are removed; ``followers`` depthwise layers that
    lose the same channels. ``protected`` groups are left whole. ``cause`` is why, or, for a free
    group of several layers, what ties them; None where nothing is known.
    """

    name: str
    layers: tuple[str, ...]
    size: int
    protected: bool = False
    cause: Cause | None = None
    repeats: int = 1
    followers: tuple[str, ...] = ()
    spans: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def width(self) -> int:
        """Channels that the group holds before it is cut."""
        return self.size * self.repeats

    def filters_by_unit(self, layer: str) -> np.ndarray:
        """Filters of one of its layers that each unit is, int64 [size, filters of a unit]."""
        units = dict(self.spans).get(layer)
        if units is None:
            return np.arange(self.width).reshape(self.repeats, self.size).T
        return np.argsort(np.asarray(units), kind="stable").reshape(self.size, -1)

    def fits(self, layer: str, filters: int) -> bool:
        """Whether the units are equally many of the ``filters`` of a layer, and all of them.

        Args:
            layer: A layer of the group.
            filters: Its number of filters.
        """
        units = dict(self.spans).get(layer)
        if units is None:
            return filters == self.width
        counts = np.bincount(np.asarray(units, np.int64), minlength=self.size)
        return len(units) == filters and len(set(counts.tolist())) == 1 and len(counts) == self.size

    @property
    def protection(self) -> str:
        """Why the group is protected, in a few words, for the message of an error."""
        return self.cause.label if self.cause else "protected"

    @property
    def why(self) -> str:
        """``protection``, by its name of version 0.1; '' for a free group."""
        return self.protection if self.protected else ""


@dataclass(frozen=True)
class Along:
    """What goes along with the units of a group besides the filters of its layers: norms,
    depthwise layers and the slices of the layers that read it.

    ``squares``: sum of squared weights of all of it, float64 [units], read-only. ``parts``: how
    many such weights there are. Needed for the importance 'group_magnitude'.
    """

    squares: np.ndarray
    parts: int

    def __post_init__(self) -> None:
        self.squares.setflags(write=False)


class Width(tuple[tuple[str, int], ...]):
    """Channels as a sum of (group name, factor), '' for a constant: concatenations, flattening
    (factor H * W), depthwise and shared modules are all such sums."""

    __slots__ = ()

    def at(self, channels: Mapping[str, int]) -> int:
        """The sum where each group has so many channels, by name (``Network.channels``)."""
        return sum(factor * (channels[name] if name else 1) for name, factor in self)


ONE = Width((("", 1),))


@dataclass(frozen=True)
class CostTerm:
    """What one parametrised operation costs, as constants per unit of channel counts.

    MACs = ``macs`` * out * in / conv_groups, params = ``params`` * out * in / conv_groups +
    ``bias`` * out. ``outs`` and ``ins`` sum (group or '', factor): a group counts its kept
    channels, '' counts 1. Norms have macs 0 and ``params`` 0, and carry their values in ``bias``.
    A module used twice counts its MACs twice and its params once. ``conv_groups`` is a width too:
    a depthwise convolution has as many conv_groups as channels. ``map_size`` and ``in_map_size``
    are the pixels of one output and one input channel, for the peak of activation memory (an
    ``in_map_size`` of 0 says that they are equal). Terms are in order of execution.
    """

    owner: str
    macs: int
    params: int
    bias: int
    outs: Width
    ins: Width
    conv_groups: Width = ONE
    map_size: int = 0
    in_map_size: int = 0

    def __post_init__(self) -> None:
        for name in ("outs", "ins", "conv_groups"):
            object.__setattr__(self, name, Width(getattr(self, name)))

    def channels(self, channels: Mapping[str, int]) -> tuple[int, int, int]:
        """(outputs, inputs, conv_groups) where each group has so many channels, by name."""
        return self.outs.at(channels), self.ins.at(channels), self.conv_groups.at(channels)


@dataclass(frozen=True)
class Network:
    """A model as the method sees it: layers in order of execution, groups, cost terms.

    ``along``, by group: the weights that go along with its units; empty in an old reading.
    ``outputs``: what it gives for one image where that is not one score a class: (name, shape) of
    each tensor, such as maps or boxes; the shape of a box alone where their number varies.
    ``only_other_norms``: it has norms with a weight and a bias a channel, and none is BatchNorm.
    """

    name: str
    digest: str
    input_shape: tuple[int, int, int]
    layers: tuple[ConvLayer, ...]
    groups: tuple[FilterGroup, ...]
    terms: tuple[CostTerm, ...]
    classes: int = 0
    data: str = ""
    along: Mapping[str, Along] = field(default_factory=dict)
    outputs: tuple[tuple[str, tuple[int, ...]], ...] = ()
    only_other_norms: bool = False
    _layer: Mapping[str, ConvLayer] = field(init=False, repr=False, compare=False)
    _group: Mapping[str, FilterGroup] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_layer", {layer.name: layer for layer in self.layers})
        object.__setattr__(self, "_group", {group.name: group for group in self.groups})

    def layer(self, name: str) -> ConvLayer:
        if name not in self._layer:
            raise PlanError(f"The network '{self.name}' has no layer called '{name}'.")
        return self._layer[name]

    def group(self, name: str) -> FilterGroup:
        if name not in self._group:
            raise PlanError(f"The network '{self.name}' has no group called '{name}'.")
        return self._group[name]

    def channels(self, kept: Mapping[str, int]) -> dict[str, int]:
        """Channels of each group, by name, when it keeps ``kept`` units; others are whole."""
        return {g.name: kept.get(g.name, g.size) * g.repeats for g in self.groups}

    def group_of(self, layer: str) -> FilterGroup | None:
        """The group that holds ``layer``, as a member or a follower; None when it has none."""
        return next((g for g in self.groups if layer in g.layers or layer in g.followers), None)

    @property
    def is_bare(self) -> bool:
        """Whether these are weights without a network: they can be explored, and not cut or run."""
        cause = self.groups[0].cause if self.groups else None
        return cause is not None and cause.kind == "no_network"

    @property
    def free(self) -> tuple[FilterGroup, ...]:
        """The groups that may be cut."""
        return tuple(group for group in self.groups if not group.protected)
