"""What each group feeds forward on real images: means, covariances and its readers' weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sfp_viz.core.evidence.observations import SCORES, Observations
from sfp_viz.errors import RecipeError
from sfp_viz.nets.data.compatibility import check_shape
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.activation_scores import MapScores, taylor
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, ChannelSlice
from sfp_viz.nets.tracing.coupled_weights import input_slices
from sfp_viz.nets.tracing.execution import Execution, execute
from sfp_viz.nets.tracing.read_network import channel_groups

_BATCH = 128


Batch = tuple[torch.Tensor, torch.Tensor]  # normalised images, labels


def observe(
    model: Model,
    images: Images,
    *,
    most: int = 1024,
    scores: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Observations:
    """Means and covariances of what each group feeds the layers that read it.

    Streamed over at most ``most`` images, spread evenly over all of them; memory is bounded by
    one batch and one matrix [units, units] a group. A group is observed where its first reader
    (a convolution or linear layer that reads its channels) takes them in; groups without such a
    reader are left out. ``scores``: any of 'taylor' (one backward pass a batch; needs labels),
    'hrank' and 'chip' (on the first 128 of these images), see activation_scores.py.
    ``progress`` is called
    after each batch with how many images were looked at and of how many; with 'taylor' each
    counts twice. Raises DataError when the images do not fit, RecipeError for a score that is
    not known.
    """
    _check(model, images, scores)
    module = copy.deepcopy(model.module).eval()
    all_groups = channel_groups(model)
    groups = [group for group in all_groups if not group.problem]
    by_group = {group.name: _readers(module, group) for group in groups}
    readers = {name: slices for name, slices in by_group.items() if slices}
    execution = execute(module, model.input_shape, name=model.name)
    sums = {name: _Sums(group[0]) for name, group in readers.items()}
    powers = {name: _Power() for name in {group[0].name for group in readers.values()}}
    after = {name: _next_reader(module, execution, all_groups, name) for name in powers}
    map_scores = [name for name in scores if name != "taylor"]
    maps = {name: MapScores(slices[0], map_scores) for name, slices in readers.items()}
    maps = maps if map_scores else {}
    collectors = [(collector.reader.name, collector.add) for collector in sums.values()]
    collectors += [(readers[name][0].name, collector.add) for name, collector in maps.items()]
    hooks = [module.get_submodule(n).register_forward_pre_hook(add) for n, add in collectors]
    hooks += [power.hook(module, name, after[name]) for name, power in powers.items()]
    chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(np.int64))
    counter = _Progress(progress, len(chosen) * (1 + ("taylor" in scores)))
    with torch.no_grad():
        for pixels, _ in counter.told(_batches(model, images, chosen)):
            module(pixels)
    for hook in hooks:
        hook.remove()
    observed_scores = {
        name: {group: collector.values()[name] for group, collector in maps.items()}
        for name in map_scores
    }
    if "taylor" in scores:
        observed_scores["taylor"] = taylor(
            module, execution, groups, counter.told(_batches(model, images, chosen))
        )
    return Observations(
        digest=model.digest,
        data=f"{images.name}, {images.split}",
        images=len(chosen),
        mean={name: collector.mean() for name, collector in sums.items()},
        covariance={name: collector.covariance() for name, collector in sums.items()},
        reach={name: _gram(module, execution, group) for name, group in readers.items()},
        power={name: powers[group[0].name].value() for name, group in readers.items()},
        scores=observed_scores,
    )


def _check(model: Model, images: Images, scores: Sequence[str]) -> None:
    check_shape(model, images, purpose="Observation", least=2)
    strange = [name for name in scores if name not in SCORES]
    if strange:
        raise RecipeError(
            f"'{strange[0]}' is no score that can be observed. Choose any of {', '.join(SCORES)}."
        )


class _Progress:
    """Counts the images of batches that were worked on, and tells them."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._tell, self._seen, self._total = progress, 0, total

    def told(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            yield batch
            self._seen += len(batch[0])
            if self._tell is not None:
                self._tell(self._seen, self._total)


def _batches(model: Model, images: Images, chosen: np.ndarray) -> Iterator[Batch]:
    """Normalised images and labels, on the device of the network."""
    device = next(model.module.parameters()).device
    for start in range(0, len(chosen), _BATCH):
        indices = chosen[start : start + _BATCH]
        pixels = torch.from_numpy(images.pixels[indices]).to(device)
        yield model.normalize(pixels), torch.from_numpy(images.labels[indices]).to(device)


def _readers(module: nn.Module, group: ChannelGroup) -> list[ChannelSlice]:
    """Layers that read the group's channels with weights of their own, the first to run first."""
    readers = []
    for span in group.slices:
        layer: Any = module.get_submodule(span.name) if span.side == "in" else None
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            readers.append(span)
    return readers


def _next_reader(
    module: nn.Module, execution: Execution, groups: Sequence[ChannelGroup], name: str
) -> str:
    """The first convolution or linear layer to run that takes in what the layer ``name`` writes;
    '' where none is known. Past a residual sum that is the layer which reads the sum, not the
    convolution of its shortcut, which happens to run next."""
    kinds = nn.Conv2d | nn.Linear | nn.ConvTranspose2d
    order = [n for n in execution.calls if isinstance(module.get_submodule(n), kinds)]
    into = {
        span.name
        for group in groups
        if any(span.name == name and span.side == "out" for span in group.slices)
        for span in group.slices
        if span.side in ("in", "both")  # 'both': depthwise
    }
    return next((n for n in order[order.index(name) + 1 :] if n in into), "")


def _by_channel(layer: nn.Module, values: Tensor) -> Tensor:
    """What a layer takes in as [channels, images and positions]."""
    axis = values.ndim - 1 if isinstance(layer, nn.Linear) else 1
    return values.movedim(axis, 0).flatten(1)


class _Power:
    """Running variance of what takes in a layer's output, or of the output, over all channels."""

    def __init__(self) -> None:
        self._first = torch.zeros(1, dtype=torch.float64)
        self._second = torch.zeros(1, dtype=torch.float64)
        self._count = 0

    def hook(self, module: nn.Module, name: str, reader: str) -> RemovableHandle:
        """Look at what ``reader`` takes in; where none is known, at what ``name`` puts out."""
        if reader:
            return module.get_submodule(reader).register_forward_pre_hook(self.add)
        return module.get_submodule(name).register_forward_hook(self.put)

    def add(self, layer: nn.Module, ins: tuple[Tensor, ...]) -> None:
        values = _by_channel(layer, ins[0])
        self._first = self._first + values.sum(1, dtype=torch.float64).cpu()
        self._second = self._second + values.square().sum(1, dtype=torch.float64).cpu()
        self._count += values.shape[1]

    def put(self, layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        """Take in what a layer puts out that nothing is known to read."""
        self.add(layer, (out,))

    def value(self) -> float:
        """The variance; 1 where nothing was seen."""
        if self._count == 0:
            return 1.0
        mean = self._first / self._count
        return float((self._second / self._count - mean * mean).sum())


class _Sums:
    """Running sums of a group's values and of their products, in float64."""

    def __init__(self, reader: ChannelSlice) -> None:
        self.reader = reader
        order = np.argsort(reader.units, kind="stable")
        self._channels = torch.from_numpy(reader.channels[order].copy())
        self._units = int(reader.units.max()) + 1
        self._first = torch.zeros(self._units, dtype=torch.float64)
        self._second = torch.zeros(self._units, self._units, dtype=torch.float64)
        self._count = 0

    def add(self, layer: nn.Module, ins: tuple[Tensor, ...]) -> None:
        values = _by_channel(layer, ins[0])
        values = values[self._channels.to(values.device)]
        values = values.view(self._units, -1)  # several channels of a unit are more samples of it
        self._first += values.double().sum(1).cpu()
        self._second += (values @ values.T).double().cpu()
        self._count += values.shape[1]

    def mean(self) -> np.ndarray:
        return (self._first / max(1, self._count)).numpy()

    def covariance(self) -> np.ndarray:
        mean = self._first / max(1, self._count)
        return (self._second / max(1, self._count) - torch.outer(mean, mean)).numpy()


def _gram(module: nn.Module, execution: Execution, readers: Sequence[ChannelSlice]) -> np.ndarray:
    """Sum over the readers of W_i . W_j, over outputs and window positions, [units, units]."""
    total: np.ndarray | None = None
    for span in readers:
        layer: Any = module.get_submodule(span.name)
        norm: Any = module.get_submodule(execution.norms.get(span.name, ""))
        scale = None
        if isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None:
            scale = (norm.running_var + norm.eps).double().rsqrt()
            scale = scale if norm.weight is None else scale * norm.weight.detach().double()
        slices = input_slices(layer, scale).cpu()
        order = np.argsort(span.units, kind="stable")
        units = int(span.units.max()) + 1
        rows = slices[torch.from_numpy(span.channels[order].copy())].reshape(units, -1)
        gram = (rows @ rows.T).numpy()
        total = gram if total is None else total + gram
    assert total is not None
    return total
