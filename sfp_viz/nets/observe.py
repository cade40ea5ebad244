"""What each group feeds forward on real images: means, covariances and its readers' weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.observations import Observations
from sfp_viz.errors import DataError
from sfp_viz.nets.channels import ChannelGroup, Reach
from sfp_viz.nets.data import Images
from sfp_viz.nets.execution import Execution, execute
from sfp_viz.nets.model import Model
from sfp_viz.nets.reading import channel_groups

_BATCH = 128


def observe(model: Model, images: Images, *, most: int = 1024) -> Observations:
    """Means and covariances of what each group feeds the layers that read it.

    Streamed over at most ``most`` images, spread evenly over all of them; memory is bounded by
    one batch and one matrix [units, units] a group. A group is observed where its first reader
    (a convolution or linear layer that reads its channels one by one) takes them in; groups
    without such a reader are left out. Raises DataError when the images do not fit.
    """
    if images.pixels.shape[1:] != model.input_shape or len(images) < 2:
        raise DataError(
            f"Observing '{model.name}' needs two or more images of {model.input_shape} (channels, "
            f"height, width); '{images.name}' has {len(images)} of {images.pixels.shape[1:]}."
        )
    module = copy.deepcopy(model.module).eval()
    readers = {
        group.name: found
        for group in channel_groups(model)
        if (found := _readers(module, group)) and not group.problem
    }
    execution = execute(module, model.input_shape, name=model.name)
    sums = {name: _Sums(group[0]) for name, group in readers.items()}
    after = {name: _next_layer(module, execution, group[0].name) for name, group in readers.items()}
    powers = {name: _Power() for name in set(after.values())}
    hooks = [
        module.get_submodule(part.reader.name).register_forward_pre_hook(part.add)
        for part in sums.values()
    ]
    hooks += [
        module.get_submodule(name).register_forward_pre_hook(part.add)
        for name, part in powers.items()
        if name
    ]
    chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(np.int64))
    with torch.no_grad():
        for start in range(0, len(chosen), _BATCH):
            pixels = torch.from_numpy(images.pixels[chosen[start : start + _BATCH]])
            module(model.normalize(pixels))
    for hook in hooks:
        hook.remove()
    return Observations(
        digest=model.digest,
        data=f"{images.name}, {images.split}",
        images=len(chosen),
        mean={name: part.mean() for name, part in sums.items()},
        covariance={name: part.covariance() for name, part in sums.items()},
        reach={name: _gram(module, execution, group) for name, group in readers.items()},
        power={name: powers[after[name]].value() for name in readers},
    )


def _readers(module: nn.Module, group: ChannelGroup) -> list[Reach]:
    """Layers that read the group's channels with a weight for each: no grouped convolutions."""
    found = []
    for reach in group.reaches:
        part: Any = module.get_submodule(reach.name) if reach.side == "in" else None
        if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.groups == 1):
            found.append(reach)
    return found


def _next_layer(module: nn.Module, execution: Execution, name: str) -> str:
    """The convolution or linear layer that runs after the layer ``name``; '' after the last."""
    order = [
        n for n in execution.calls if isinstance(module.get_submodule(n), nn.Conv2d | nn.Linear)
    ]
    place = order.index(name) + 1
    return order[place] if place < len(order) else ""


class _Power:
    """Running variance of a layer's input, summed over its channels."""

    def __init__(self) -> None:
        self._first = torch.zeros(1, dtype=torch.float64)
        self._second = torch.zeros(1, dtype=torch.float64)
        self._count = 0

    def add(self, part: nn.Module, ins: tuple[Tensor, ...]) -> None:
        axis = 1 if isinstance(part, nn.Conv2d) else ins[0].ndim - 1
        values = ins[0].movedim(axis, 0).flatten(1)
        self._first = self._first + values.sum(1, dtype=torch.float64)
        self._second = self._second + values.square().sum(1, dtype=torch.float64)
        self._count += values.shape[1]

    def value(self) -> float:
        """The variance; 1 where nothing was seen, as after the last layer."""
        if self._count == 0:
            return 1.0
        mean = self._first / self._count
        return float((self._second / self._count - mean * mean).sum())


class _Sums:
    """Running sums of a group's values and of their products, in float64."""

    def __init__(self, reader: Reach) -> None:
        self.reader = reader
        order = np.argsort(reader.units, kind="stable")
        self._channels = torch.from_numpy(reader.channels[order].copy())
        self._units = int(reader.units.max()) + 1
        self._first = torch.zeros(self._units, dtype=torch.float64)
        self._second = torch.zeros(self._units, self._units, dtype=torch.float64)
        self._count = 0

    def add(self, part: nn.Module, ins: tuple[Tensor, ...]) -> None:
        axis = 1 if isinstance(part, nn.Conv2d) else ins[0].ndim - 1
        values = ins[0].movedim(axis, 0).flatten(1)[self._channels]
        values = values.view(self._units, -1)  # several channels of a unit are more samples of it
        self._first += values.double().sum(1)
        self._second += (values @ values.T).double()
        self._count += values.shape[1]

    def mean(self) -> np.ndarray:
        return (self._first / max(1, self._count)).numpy()

    def covariance(self) -> np.ndarray:
        mean = self._first / max(1, self._count)
        return (self._second / max(1, self._count) - torch.outer(mean, mean)).numpy()


def _gram(module: nn.Module, execution: Execution, readers: Sequence[Reach]) -> np.ndarray:
    """Sum over the readers of W_i . W_j, over outputs and window positions, [units, units]."""
    total: np.ndarray | None = None
    for reach in readers:
        part: Any = module.get_submodule(reach.name)
        weight = part.weight.detach().double()
        weight = weight.flatten(2) if weight.ndim > 2 else weight[:, :, None]
        norm: Any = module.get_submodule(execution.norms.get(reach.name, ""))
        if isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None:
            scale = (norm.running_var + norm.eps).double().rsqrt()
            scale = scale if norm.weight is None else scale * norm.weight.detach().double()
            weight = weight * scale[:, None, None]
        order = np.argsort(reach.units, kind="stable")
        units = int(reach.units.max()) + 1
        rows = weight.movedim(1, 0)[torch.from_numpy(reach.channels[order].copy())]
        rows = rows.reshape(units, -1)
        gram = (rows @ rows.T).numpy()
        total = gram if total is None else total + gram
    assert total is not None
    return total
