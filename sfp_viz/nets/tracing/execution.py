"""One dry forward pass: which parts of a module run, in what order, on maps of what size."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sfp_viz.errors import ModelError

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
MOST_WEIGHTS = 4_000_000  # of a hidden linear layer; similarities of larger ones take minutes
MAP_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)  # of maps: those that follow convolutions
BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)  # of any number of dimensions


@dataclass(frozen=True)
class Execution:
    """What ran. ``calls`` maps a module's dotted path to the (input, output) shapes of its calls,
    in order of first call; ``norms`` maps a convolution to the BatchNorm that reads its output.
    ``macs`` of one image are torch's count (half the FLOPs of FlopCounterMode).
    """

    calls: Mapping[str, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]]
    norms: Mapping[str, str]
    macs: int

    def own_norm(self, name: str) -> str:
        """The BatchNorm that reads the output of the layer ``name``, where each of them runs once;
        '' where there is none, or where either runs more often and so serves other layers too."""
        norm = self.norms.get(name, "")
        run_once = all(len(self.calls.get(called, ())) == 1 for called in (name, norm))
        return norm if run_once else ""

    def positions(self, name: str) -> int:
        """At how many positions of one image a linear layer is applied, over all its calls."""
        return sum(_product(outs[1:-1]) for _, outs in self.calls.get(name, ()))

    def is_positionwise(self, name: str) -> bool:
        """Whether a linear layer is applied at each position of a map, like a 1x1 convolution."""
        return any(len(outs) > 2 for _, outs in self.calls.get(name, ()))


def meta_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode on the 'meta' device: shapes only, no values, no memory."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        empty = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(empty, requires_grad=parameter.is_floating_point())
    for buffer in module.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(module, memo).eval()


def layers_of(module: nn.Module, execution: Execution) -> tuple[str, ...]:
    """Dotted paths of the layers with filters, in order of execution.

    Convolutions; linear layers applied at every position of a map, which are 1x1 convolutions in
    all but name; and hidden linear layers of up to ``MOST_WEIGHTS`` weights, whose units are
    filters as large as their input. The last linear layer gives the answers.

    Args:
        module: The network.
        execution: What runs in a forward pass of it.
    """
    modules: dict[str, Any] = dict(module.named_modules())
    linear = [name for name in execution.calls if type(modules[name]) is nn.Linear]
    return tuple(
        name
        for name in execution.calls
        if isinstance(modules[name], CONVOLUTIONS)
        or (name in linear and execution.is_positionwise(name))
        or (name in linear[:-1] and modules[name].weight.numel() <= MOST_WEIGHTS)
    )


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors of an output, whatever tuples, lists and dicts they are in."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_of(item)]
    return []


def execute(module: nn.Module, input_shape: tuple[int, int, int], *, name: str = "") -> Execution:
    """Run a module without values on one image.

    Args:
        module: The network.
        input_shape: Channels, height and width of its images.
        name: Its name, for the message of an error.

    Raises:
        ModelError: It does not run on such an image.
    """
    problem: Exception | None = None
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    for device in ("meta", "cpu"):  # some networks make tensors of their own, on the CPU
        dry = meta_copy(module) if device == "meta" else copy.deepcopy(module).cpu().eval()
        try:
            return _executed(dry, torch.zeros(1, *input_shape, dtype=dtype, device=device))
        except Exception as error:  # a foreign forward pass may raise anything
            problem = error
    raise ModelError(
        f"The network '{name}' does not run on one image of {input_shape} (channels, height, "
        f"width): {problem}. Give the input shape that it was made for."
    ) from problem


def _executed(module: nn.Module, image: Tensor) -> Execution:
    from torch.utils.flop_counter import FlopCounterMode

    calls: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    norms: dict[str, str] = {}
    # held, so that ids stay their own; the version tells what was written over in between
    outputs: dict[int, tuple[str, Tensor, int]] = {}

    def hook(name: str):
        def record(layer: nn.Module, ins: tuple, out: Any) -> None:
            if not (ins and isinstance(ins[0], Tensor) and isinstance(out, Tensor)):
                return
            calls.setdefault(name, []).append((tuple(ins[0].shape), tuple(out.shape)))
            if isinstance(layer, CONVOLUTIONS):
                outputs[id(out)] = (name, out, out._version)
            if isinstance(layer, MAP_NORMS) and id(ins[0]) in outputs:
                source, _, version = outputs[id(ins[0])]
                if ins[0]._version == version:
                    norms.setdefault(source, name)

        return record

    hooks = [
        layer.register_forward_hook(hook(name))
        for name, layer in module.named_modules()
        if next(layer.parameters(recurse=False), None) is not None or isinstance(layer, MAP_NORMS)
    ]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(image)
    for handle in hooks:
        handle.remove()
    frozen = {name: tuple(shapes) for name, shapes in calls.items()}
    return Execution(frozen, norms, counter.get_total_flops() // 2)


def _product(numbers: tuple[int, ...]) -> int:
    total = 1
    for number in numbers:
        total *= number
    return total
