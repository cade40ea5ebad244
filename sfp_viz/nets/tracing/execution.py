"""One dry forward pass: which parts of a module run, in what order, on maps of what size."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sfp_viz.nets.forward import copy_module, differentiable_outputs, foreign_code, noise

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
MOST_WEIGHTS = 4_000_000  # of a hidden linear layer; similarities of larger ones take minutes
MAP_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)  # of maps: those that follow convolutions
BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)  # of any number of dimensions


@dataclass(frozen=True)
class Execution:
    """What ran. ``calls`` maps a module's dotted path to the (input, output) shapes of its calls,
    in order of first call; ``norms`` maps a convolution to the BatchNorm that reads its output.
    ``macs`` of the images are torch's count (half the FLOPs of FlopCounterMode). ``answers`` are
    the linear layers whose outputs reach the network's output through no other layer. ``device``
    is where it ran: 'meta', or 'cpu' for a network that needs values.
    """

    calls: Mapping[str, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]]
    norms: Mapping[str, str]
    macs: int
    answers: frozenset[str] = frozenset()
    device: str = "meta"

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


def layers_of(module: nn.Module, execution: Execution) -> tuple[str, ...]:
    """Dotted paths of the layers with filters, in order of execution.

    Convolutions; linear layers applied at every position of a map, which are 1x1 convolutions in
    all but name; and hidden linear layers of up to ``MOST_WEIGHTS`` weights, whose units are
    filters as large as their input. Those that give the answers are left out.

    Args:
        module: The network.
        execution: What runs in a forward pass of it.
    """
    modules: dict[str, Any] = dict(module.named_modules())

    def has_filters(name: str) -> bool:
        layer = modules[name]
        if type(layer) is not nn.Linear:
            return isinstance(layer, CONVOLUTIONS)
        is_hidden = name not in execution.answers and layer.weight.numel() <= MOST_WEIGHTS
        return execution.is_positionwise(name) or is_hidden

    return tuple(name for name in execution.calls if has_filters(name))


def execute(module: nn.Module, input_shape: tuple[int, int, int], *, name: str = "") -> Execution:
    """Run a copy of ``module`` dry on one image, in float32 and in evaluation mode.

    Args:
        module: The network.
        input_shape: Channels, height and width of its images.
        name: What messages call it.

    Raises:
        ModelError: It does not run on such an image; says what it raised.
    """
    failure = (
        f"The network '{name}' does not run on one image of {input_shape} (channels, height, width)"
    )
    with foreign_code(failure, "Give the input shape that it was made for."):
        for device in ("meta", "cpu"):
            with contextlib.suppress(Exception):
                return _executed(module, input_shape, device, with_grad=True)
        return _executed(module, input_shape, "cpu", with_grad=False)


def execute_in_training(module: nn.Module, input_shape: tuple[int, int, int]) -> Execution | None:
    """What runs on two images in training, without counting MACs; None where it does not run on
    images alone, as with detectors, which need boxes.

    Args:
        module: The network; a copy of it runs.
        input_shape: (channels, height, width).
    """
    for device in ("meta", "cpu"):
        with contextlib.suppress(Exception):
            return _executed(module, input_shape, device, with_grad=False, training=True)
    return None


def _executed(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    device: str,
    *,
    with_grad: bool,
    training: bool = False,
) -> Execution:
    """One dry pass; ``with_grad`` finds the layers that give the answers."""
    from torch.utils.flop_counter import FlopCounterMode

    module = copy_module(module, device=device, dtype=torch.float32).train(training)
    for parameter in module.parameters():
        parameter.requires_grad_(with_grad and parameter.is_floating_point())
    calls: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    norms: dict[str, str] = {}
    nodes: dict[Any, str] = {}  # of the autograd graph, with the layer whose output they are
    # held, so that ids stay their own; the version tells what was written over in between
    outputs: dict[int, tuple[str, Tensor, int]] = {}

    def hook(name: str):
        def record(layer: nn.Module, ins: tuple, out: Any) -> None:
            if not (ins and isinstance(ins[0], Tensor) and isinstance(out, Tensor)):
                return
            calls.setdefault(name, []).append((tuple(ins[0].shape), tuple(out.shape)))
            if out.grad_fn is not None:
                nodes[out.grad_fn] = name
            if isinstance(layer, CONVOLUTIONS):
                outputs[id(out)] = (name, out, out._version)
            if isinstance(layer, MAP_NORMS) and id(ins[0]) in outputs:
                source, _, version = outputs[id(ins[0])]
                if ins[0]._version == version:
                    norms.setdefault(source, name)

        return record

    for name, layer in module.named_modules():
        has_own = next(layer.parameters(recurse=False), None) is not None
        if has_own or isinstance(layer, (*CONVOLUTIONS, nn.Linear, *MAP_NORMS)):
            layer.register_forward_hook(hook(name))
    counter = FlopCounterMode(display=False)
    images = noise(input_shape, 2 if training else 1, device=device)
    counted = contextlib.nullcontext() if training else counter
    with torch.inference_mode(False), torch.set_grad_enabled(with_grad), counted:
        ends = differentiable_outputs(module, images)
    linear = [name for name in calls if type(module.get_submodule(name)) is nn.Linear]
    # without a graph the last one is taken for the one that gives the answers
    answers = _last_layers(ends, nodes) & set(linear) if ends else set(linear[-1:])
    shapes = {name: tuple(pairs) for name, pairs in calls.items()}
    macs = 0 if training else counter.get_total_flops() // 2
    return Execution(shapes, norms, macs, frozenset(answers), device)


def _last_layers(outputs: Sequence[Tensor], layers: Mapping[Any, str]) -> set[str]:
    """The layers that the autograd graph of ``outputs`` meets first on its way back."""
    pending = [tensor.grad_fn for tensor in outputs if tensor.grad_fn is not None]
    visited, last = set(), set()
    while pending:
        node = pending.pop()
        if node in visited:
            continue
        visited.add(node)
        if node in layers:
            last.add(layers[node])
        else:
            pending += [before for before, _ in node.next_functions if before is not None]
    return last


def _product(numbers: tuple[int, ...]) -> int:
    total = 1
    for number in numbers:
        total *= number
    return total
