"""What each group feeds forward on real images: means, covariances and its readers' weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, ChannelSlice
from sfp_viz.nets.tracing.coupled_weights import input_slices
from sfp_viz.nets.tracing.execution import Execution
from sfp_viz.nets.tracing.read_network import TracedModel, trace_model

_BATCH = 128


Batch = tuple[torch.Tensor, torch.Tensor]  # normalized images, labels


def observe(
    model: Model,
    images: Images,
    *,
    most: int = 1024,
    scores: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Observations:
    """Means and covariances of what each group feeds the layers that read it.

    Streamed; memory is bounded by one batch and one matrix [units, units] a group. A group is
    observed where its first reader (a convolution or linear layer that reads its channels) takes
    them in; groups without such a reader are left out.

    Args:
        model: The network.
        images: Images to choose from, with labels for 'taylor'.
        most: How many images to use at most, spread evenly over all of them.
        scores: Any of 'taylor' (one backward pass a batch), 'hrank' and 'chip' (on the first 128
            of the images used); see activation_scores.py.
        progress: Called after each batch with (images done, images in all); with 'taylor' each
            image counts twice.

    Raises:
        DataError: The images do not fit the network, or 'taylor' meets a label that the network
            has no class for.
        RecipeError: A score is unknown.
        ModelError: The network does not run on images of its input shape.
    """
    check_model(model)
    _check(model, images, scores)
    module = copy_module(model.module).eval()
    traced = trace_model(model)
    groups = [group for group in traced.groups if not group.problem]
    by_group = {group.name: _readers(module, group) for group in groups}
    readers = {name: slices for name, slices in by_group.items() if slices}
    map_scores = [name for name in scores if name != "taylor"]
    statistics = _Statistics(readers, map_scores)
    chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(np.int64))
    counter = _Progress(progress, len(chosen) * (1 + ("taylor" in scores)))
    with torch.no_grad(), statistics.hooked(module, traced):
        for pixels, _ in counter.counted(_batches(model, images, chosen)):
            module(pixels)
    observed_scores = statistics.scores(map_scores)
    if "taylor" in scores:
        batches = counter.counted(_batches(model, images, chosen))
        observed_scores["taylor"] = taylor(module, traced.execution, groups, batches)
    sums, powers = statistics.sums, statistics.powers
    return Observations(
        digest=model.digest,
        data=f"{images.name}, {images.split}",
        images=len(chosen),
        mean={name: collector.mean() for name, collector in sums.items()},
        covariance={name: collector.covariance() for name, collector in sums.items()},
        readers_gram={
            name: _gram(module, traced.execution, group) for name, group in readers.items()
        },
        power={name: powers[group[0].name].value() for name, group in readers.items()},
        scores=observed_scores,
    )


class _Statistics:
    """What is collected in the forward passes, at the first reader of each group.

    Attributes:
        sums: By group.
        powers: By the name of the first reader.
    """

    def __init__(
        self, readers: Mapping[str, Sequence[ChannelSlice]], map_scores: Sequence[str]
    ) -> None:
        first_readers = {name: slices[0] for name, slices in readers.items()}
        self.sums = {name: _Sums(reader) for name, reader in first_readers.items()}
        self.powers = {name: _Power() for name in {r.name for r in first_readers.values()}}
        self._maps = {
            name: MapScores(reader, map_scores)
            for name, reader in first_readers.items()
            if map_scores
        }

    @contextmanager
    def hooked(self, module: nn.Module, traced: TracedModel) -> Iterator[None]:
        """A context in which forward passes of ``module`` are counted in."""
        adders = [(sums.reader.name, sums.add) for sums in self.sums.values()]
        adders += [(self.sums[name].reader.name, maps.add) for name, maps in self._maps.items()]
        hooks = [module.get_submodule(n).register_forward_pre_hook(add) for n, add in adders]
        for name, power in self.powers.items():
            hooks.append(power.hook(module, name, _next_reader(module, traced, name)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def scores(self, names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
        """The scores ``names`` of maps, by group."""
        return {
            name: {group: maps.values()[name] for group, maps in self._maps.items()}
            for name in names
        }


def _check(model: Model, images: Images, scores: Sequence[str]) -> None:
    check_shape(model, images, purpose="Observation", least=2)
    unknown = [name for name in scores if name not in SCORES]
    if unknown:
        raise RecipeError(
            f"There is no score '{unknown[0]}' to observe. Choose from {', '.join(SCORES)}."
        )


class _Progress:
    """Counts the images of batches that are done with, and reports the count."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def counted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            yield batch
            self._done += len(batch[0])
            if self._progress is not None:
                self._progress(self._done, self._total)


def _batches(model: Model, images: Images, chosen: np.ndarray) -> Iterator[Batch]:
    """Normalized images and labels, on the device of the network."""
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


def _next_reader(module: nn.Module, traced: TracedModel, name: str) -> str:
    """The first convolution or linear layer to run that takes in what the layer ``name`` writes;
    '' where none is known. Past a residual sum that is the layer which reads the sum, not the
    convolution of its shortcut, which happens to run next."""
    kinds = nn.Conv2d | nn.Linear | nn.ConvTranspose2d
    order = [n for n in traced.execution.calls if isinstance(module.get_submodule(n), kinds)]
    readers = {
        span.name
        for group in traced.groups
        if any(span.name == name and span.side == "out" for span in group.slices)
        for span in group.slices
        if span.side in ("in", "both")  # 'both': depthwise
    }
    return next((n for n in order[order.index(name) + 1 :] if n in readers), "")


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
        """Take in the inputs of ``reader``; where none is known, the outputs of ``name``."""
        if reader:
            return module.get_submodule(reader).register_forward_pre_hook(self.add)
        return module.get_submodule(name).register_forward_hook(self.add_output)

    def add(self, layer: nn.Module, ins: tuple[Tensor, ...]) -> None:
        values = _by_channel(layer, ins[0])
        self._first = self._first + values.sum(1, dtype=torch.float64).cpu()
        self._second = self._second + values.square().sum(1, dtype=torch.float64).cpu()
        self._count += values.shape[1]

    def add_output(self, layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        """Take in the output of a layer that nothing is known to read."""
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
