"""The zeroed-channel check: is a cut network the same as the whole one with channels silenced?

Tracing can be wrong without an error (Torch-Pruning gives zero-padded shortcuts no offset), so
every group of every network is tried before it may be cut.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Cause, CostTerm, FilterGroup, Network
from sfp_viz.errors import PlanError
from sfp_viz.nets.forward import (
    copy_module,
    first_line,
    floating_dtype,
    forward,
    noise,
    tensors_of,
)
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, silence
from sfp_viz.nets.tracing.dependency_groups import cut
from sfp_viz.nets.tracing.execution import (
    BATCH_NORMS,
    Execution,
    execute,
    execute_in_training,
)
from sfp_viz.nets.tracing.factored_linear import stand_ins

_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-4}  # of the output's scale; a wrong cut is
# off by 1e-3 and more
_TIPPED = 0.01  # share of whole numbers that may differ by rounding
_SHARE = 3  # every third unit is cut
_ENOUGH = 64  # pixels of a side, where a network runs on so few; reductions by 32 leave windows


def failing_groups(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    groups: Sequence[ChannelGroup],
    terms: Sequence[CostTerm],
    trained: Execution | None = None,
    trained_alone: Sequence[str] = (),
    execution: Execution | None = None,
) -> dict[str, Cause]:
    """The groups that cannot be cut correctly, with the reason: the cut network does not run,
    in evaluation or in training, or its values, MACs or params would be wrong.

    All groups are tried at once, and where that fails halves of them, on top of those already
    known to be right; so those that pass are right together. Weights are drawn anew in a copy,
    because dead filters or tiny scales would hide a mistake.

    Args:
        module: The network; it is not changed.
        input_shape: Channels, height and width of its images.
        groups: The groups to try.
        terms: What they should cost.
        trained: What runs in training; None where it does not run in training on images alone.
        trained_alone: The layers that run in training and not in evaluation.
        execution: What runs in evaluation; with it large images and layers get smaller stand-ins.
    """
    if not groups:
        return {}
    whole = tuple(FilterGroup(g.name, g.layers, g.size, repeats=g.repeats) for g in groups)
    network = Network("trial", "", input_shape, (), whole, tuple(terms))
    try:
        trial = _Trial.of(module, network, trained, trained_alone, execution)
    except Exception as problem:  # foreign code may raise anything
        return {group.name: Cause("untried", text=first_line(problem)) for group in groups}
    right: list[ChannelGroup] = []
    wrong: dict[str, Cause] = {}
    pending = [list(groups)]
    while pending:
        batch = pending.pop()
        fault = trial.fault([*right, *batch], explained=len(batch) == 1)
        if fault is None:
            right += batch
        elif len(batch) == 1:
            wrong[batch[0].name] = _explanation(batch[0], fault)
        else:
            pending += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
    return wrong


def _explanation(group: ChannelGroup, fault: Cause) -> Cause:
    """The operation that moves or mixes the channels where that explains the fault, else the
    fault."""
    moved_by = group.moved_by
    is_there = moved_by is not None and (
        fault.place == moved_by.place or fault.place.startswith(f"{moved_by.place}.")
    )
    explains = fault.kind == "trial_cut" or (fault.kind == "trial_raises" and is_there)
    return moved_by if moved_by and explains else fault


def with_random_weights(
    module: nn.Module, input_shape: tuple[int, int, int], dtype: torch.dtype = torch.float64
) -> nn.Module:
    """A copy on the CPU in evaluation mode whose values are all drawn anew, from a fixed seed.

    Weights keep the scale of what they pass on; norms get statistics of random images, and
    gammas and betas that are neither 1 nor 0.

    Args:
        module: The network; it is not changed.
        input_shape: Channels, height and width of its images.
        dtype: The type of the copy's values.
    """
    return _redrawn(module, input_shape, dtype)[0]


def _redrawn(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    dtype: torch.dtype,
    instead: Mapping[nn.Module, nn.Module] | None = None,
) -> tuple[nn.Module, list[Tensor]]:
    """``with_random_weights``, and what it gives for the images of its statistics; whatever it
    raises for a single one is raised."""
    copied = copy_module(module, device="cpu", dtype=dtype, instead=instead).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in copied.parameters():
            if not parameter.is_floating_point():
                continue
            if parameter.ndim > 1 and min(parameter.shape[:2]) > 0 and parameter.numel() > 1:
                bound = (6 / max(1, parameter[0].numel())) ** 0.5
                if max(parameter.shape) < parameter.numel():
                    parameter.uniform_(-bound, bound, generator=generator)
                    continue
            parameter.uniform_(0.5, 1.5, generator=generator)
        norms = [layer for layer in copied.modules() if isinstance(layer, BATCH_NORMS)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            if norm.bias is not None:
                norm.bias.uniform_(-0.5, 0.5, generator=generator)
            if norm.track_running_stats:
                norm.reset_running_stats()
                norm.momentum = None
                norm.train()
        try:
            outputs = tensors_of(forward(copied, noise(input_shape, 2, dtype=dtype)))
        except Exception:  # it may take images one by one alone, with which norms cannot be trained
            copied.eval()
            outputs = tensors_of(forward(copied, noise(input_shape, 1, dtype=dtype)))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
    return copied, outputs


def output_gap(outputs: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """Largest difference of two outputs, as a share of the first one's largest value.

    Whole numbers and truth values must be equal, but for one in a hundred that rounding may tip.

    Args:
        outputs: All tensors of one output.
        others: Those of the other.

    Returns:
        0 or more; infinite when shapes differ, or other values are not finite.
    """
    if [tensor.shape for tensor in outputs] != [tensor.shape for tensor in others]:
        return float("inf")
    gaps = (_gap(output, other) for output, other in zip(outputs, others, strict=True))
    return max(gaps, default=0.0)


def _gap(output: Tensor, other: Tensor) -> float:
    if not output.numel():
        return 0.0
    if not (output.is_floating_point() or output.is_complex()):
        return 0.0 if (output != other).double().mean().item() <= _TIPPED else float("inf")
    finite = output.isfinite()
    if not finite.any() or not torch.equal(finite, other.isfinite()):
        return float("inf")
    output, other = output[finite], other[finite]
    scale = output.abs().max().item() or 1.0
    return (output - other).abs().max().item() / scale


@dataclass(frozen=True)
class _Trial:
    """A network with random weights, and what its cuts should cost.

    Attributes:
        module: Its copy with random weights.
        network: What its cuts should cost.
        trained: What runs in training.
        trained_alone: The layers that run in training alone.
        shape: Channels, height and width of the images that it is tried on.
        dtype: The type that it is tried in.
        whole: The network itself, to count costs on 'meta'; None where ``module`` is counted.
    """

    module: nn.Module
    network: Network
    trained: Execution | None
    trained_alone: Sequence[str]
    shape: tuple[int, int, int]
    dtype: torch.dtype
    whole: nn.Module | None = None

    @staticmethod
    def of(
        module: nn.Module,
        network: Network,
        trained: Execution | None,
        trained_alone: Sequence[str],
        execution: Execution | None,
    ) -> _Trial:
        """The trial in float64, or in float32 for a network that does not run in float64. Where the
        network runs on 'meta', images are smaller and large linear layers have stand-ins.

        Raises:
            Exception: What the network raises in both.
        """
        shape, dtype = network.input_shape, torch.float64
        if execution is not None and execution.device == "meta":
            with contextlib.suppress(Exception):  # foreign code may raise anything
                small = _smaller(module, shape, execution, trained)
                lean, _ = _redrawn(module, small, torch.float32, stand_ins(module))
                trial = _Trial(lean, network, trained, trained_alone, small, dtype, module)
                with torch.no_grad():
                    outputs = trial._outputs(lean.to(dtype))
                for parameter in lean.parameters():  # short numbers, which take little memory
                    kind = torch.bfloat16 if parameter.ndim > 1 else torch.float32
                    parameter.data = parameter.data.to(kind)
                if all(bool(tensor.isfinite().all()) for tensor in outputs):
                    return trial
        try:
            redrawn, outputs = _redrawn(module, shape, dtype)
        except Exception:  # foreign code may raise anything
            dtype = torch.float32
            redrawn, outputs = _redrawn(module, shape, dtype)
        if not all(bool(tensor.isfinite().all()) for tensor in outputs):
            redrawn = copy_module(module, device="cpu", dtype=dtype).eval()  # as it was trained
        return _Trial(redrawn, network, trained, trained_alone, shape, dtype)

    @property
    def tolerance(self) -> float:
        return _TOLERANCES[self.dtype]

    def fault(self, groups: Sequence[ChannelGroup], *, explained: bool) -> Cause | None:
        """Why a cut of every third unit of ``groups`` is wrong; None where it has the right values
        and costs. ``explained`` finds the place of what is raised.

        In training, values are compared where other layers run than in evaluation; else the cut
        network only has to run.
        """
        generator = np.random.default_rng(0)
        removed = {
            group.name: generator.choice(
                group.size, max(1, group.size // _SHARE), replace=False
            ).tolist()
            for group in groups
        }
        module = copy_module(self.module, dtype=self.dtype)
        silence(module, groups, removed, readers=True)
        with torch.no_grad():
            silent = self._outputs(module)
            silent_in_training = None
            with contextlib.suppress(Exception):  # random weights may not do in training
                if self.trained_alone:
                    silent_in_training = self._training_outputs(module, "cpu")
            path: list[str] = []
            try:
                cut(module, groups, removed)
                followed = _followed(module, path) if explained else module
                if output_gap(silent, self._outputs(followed)) > self.tolerance:
                    return Cause("trial_cut")
            except Exception as problem:  # a wrongly cut network may fail in any way
                return Cause("trial_raises", place="".join(path[-1:]), text=first_line(problem))
            if fault := self._training_fault(module, silent_in_training, explained):
                return fault
            if self.whole is not None:
                module = copy_module(self.whole, device="meta")
                cut(module, groups, removed)
        kept = {group.name: group.size - len(removed[group.name]) for group in groups}
        return self._cost_fault(module, kept)

    def _training_fault(
        self, module: nn.Module, silent: Sequence[Tensor] | None, explained: bool
    ) -> Cause | None:
        """What is wrong with the cut ``module`` in training; without ``silent`` outputs to compare,
        whether it runs at all."""
        if self.trained is None:
            return None
        path: list[str] = []
        followed = _followed(module, path) if explained else module
        try:
            outputs = self._training_outputs(followed, "cpu" if silent else self.trained.device)
        except Exception as problem:  # a wrongly cut network may fail in any way
            return Cause("training_alone", place="".join(path[-1:]), text=first_line(problem))
        if silent is None or output_gap(silent, outputs) <= self.tolerance:
            return None
        return Cause("training_alone", place="".join(self.trained_alone[:1]))

    def _outputs(self, module: nn.Module) -> list[Tensor]:
        return _passed(module, noise(self.shape, 1, dtype=floating_dtype(module)))

    def _training_outputs(self, module: nn.Module, device: str) -> list[Tensor]:
        copied = copy_module(module, device=device).train()
        return _passed(copied, noise(self.shape, 2, dtype=floating_dtype(copied), device=device))

    def _cost_fault(self, module: nn.Module, kept: Mapping[str, int]) -> Cause | None:
        """Where the cost terms do not give the MACs and params that the cut module really has."""
        try:
            cost = cost_of_widths(self.network, kept)
        except PlanError as problem:  # widths that do not divide into conv_groups
            return Cause("trial_cost", text=str(problem))
        params = sum(parameter.numel() for parameter in module.parameters())
        macs = execute(module, self.network.input_shape).macs
        if (cost.macs, cost.params) == (macs, params):
            return None
        return Cause("trial_cost", place=self._miscounted(module, kept))

    def _miscounted(self, module: nn.Module, kept: Mapping[str, int]) -> str:
        """The first module whose params the cost terms count wrongly; '' where it is the MACs."""
        channels = self.network.channels(kept)
        counted: Counter[str] = Counter()
        paths = dict(module.named_parameters())
        for term in self.network.terms:
            outs, ins, parts = term.channels(channels)
            owner = term.owner.rpartition(".")[0] if term.owner in paths else term.owner
            counted[owner] += term.params * outs * ins // parts + term.bias * outs
        held = Counter[str]()
        for path, parameter in paths.items():
            held[path.rpartition(".")[0]] += parameter.numel()
        return next((name for name in held if held[name] != counted[name]), "")


def _smaller(
    module: nn.Module,
    shape: tuple[int, int, int],
    execution: Execution,
    trained: Execution | None,
) -> tuple[int, int, int]:
    """A smaller shape of images on which all the same layers run; ``shape`` where none is known."""
    channels, *sides = shape
    if min(sides) <= _ENOUGH:
        return shape
    height, width = (max(_ENOUGH, round(s * _ENOUGH / min(sides) / 32) * 32) for s in sides)
    small = channels, height, width
    with contextlib.suppress(Exception):  # foreign code may raise anything
        runs = execute(module, small)
        runs_in_training = trained is None or execute_in_training(module, small) is not None
        if (runs.calls.keys(), runs.device) == (execution.calls.keys(), "meta"):
            return small if runs_in_training else shape
    return shape


def _passed(module: nn.Module, images: Tensor) -> list[Tensor]:
    """The outputs of ``module``; where none is a floating-point tensor, with the outputs of all
    convolutions and linear layers before them, which say more."""
    inner: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _, __, out: inner.extend(tensors_of(out)))
        for layer in module.modules()
        if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear)
    ]
    try:
        outputs = tensors_of(forward(module, images))
    finally:
        for handle in handles:
            handle.remove()
    return outputs if any(t.is_floating_point() for t in outputs) else [*outputs, *inner[-1:]]


def _followed(module: nn.Module, path: list[str]) -> nn.Module:
    """A copy that keeps in ``path`` the names of the modules that run, the innermost last."""

    def leave(*_: Any) -> None:
        path.pop()

    copied = copy_module(module)
    for name, layer in copied.named_modules():
        layer.register_forward_pre_hook(lambda *_, name=name: path.append(name))
        layer.register_forward_hook(leave)
    return copied
