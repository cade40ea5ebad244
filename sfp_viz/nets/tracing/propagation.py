"""Which channels depend on each other, followed through one forward pass of a network.

Every index along every axis of a parameter or buffer has an id. A tensor that the pass makes
carries the ids of its channels, as an array that is broadcast to its shape; operations that only
move values are run on that array as well, and operations that combine values record which ids go
together. So the work is proportional to the widths, whatever views channels go through.

Each rule assumes that the code takes sizes from its tensors. Where it has them written down, the
trial cut (verification.py) fails, and the group is left whole.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from sfp_viz.core.network import Cause
from sfp_viz.nets.forward import dry_run, tensors_of
from sfp_viz.nets.tracing.channel_operations import ChannelOperation, operation_name, operation_rank

OPAQUE = (nn.RNNBase, nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.Embedding)
NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
)
_MOVES = {
    "view", "_unsafe_view", "reshape", "permute", "transpose", "t", "unsqueeze", "squeeze",
    "expand",
    "slice", "select", "split", "split_with_sizes", "unbind", "chunk", "flip", "constant_pad_nd",
    "repeat", "alias", "detach", "detach_", "clone", "contiguous", "narrow", "pixel_shuffle",
    "pixel_unshuffle", "channel_shuffle", "lift_fresh", "_reshape_alias", "movedim", "unflatten",
}  # fmt: skip
_POINTWISE = {
    "hardswish", "hardswish_", "_prelu_kernel", "rsub", "native_dropout", "_to_copy", "copy_",
    "prelu", "dropout", "rrelu_with_noise", "_log_softmax_backward_data",
}  # fmt: skip
_SPATIAL = {  # operations on the axes behind the channels
    "max_pool2d_with_indices": 2, "max_pool2d": 2, "avg_pool2d": 2, "_adaptive_avg_pool2d": 2,
    "adaptive_avg_pool2d": 2, "adaptive_max_pool2d": 2, "upsample_nearest2d": 2,
    "upsample_bilinear2d": 2, "_upsample_bilinear2d_aa": 2, "upsample_bicubic2d": 2,
    "_upsample_bicubic2d_aa": 2, "_upsample_nearest_exact2d": 2, "reflection_pad2d": 2,
    "replication_pad2d": 2, "grid_sampler_2d": 2, "avg_pool1d": 1, "max_pool1d": 1,
    "adaptive_avg_pool1d": 1, "upsample_nearest1d": 1, "upsample_linear1d": 1,
    "reflection_pad1d": 1, "replication_pad1d": 1, "avg_pool3d": 3, "max_pool3d_with_indices": 3,
    "_adaptive_avg_pool3d": 3, "upsample_nearest3d": 3, "upsample_trilinear3d": 3,
}  # fmt: skip
_ALONG = {  # operations that mix the values along their axis
    "_softmax", "softmax", "_log_softmax", "log_softmax", "cumsum", "cumprod", "sort", "roll",
    "argsort", "topk", "logcumsumexp",
}  # fmt: skip
_REDUCTIONS = {
    "mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "std_mean", "norm",
    "linalg_vector_norm", "logsumexp", "prod", "argmax", "argmin", "any", "all", "median",
}  # fmt: skip
_FRESH = {  # new tensors, which take nothing over from those that they are made like
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros",
    "new_ones", "new_empty", "new_full", "new_empty_strided", "zero_", "fill_", "bernoulli",
}  # fmt: skip
_MATRIX = {"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot"}


@dataclass(frozen=True)
class Labels:
    """What is known of a tensor.

    Attributes:
        families: Ids of its channels, each an array with as many axes as the tensor, of size 1
            along those that the ids do not vary along; -1 where there is none. A weight has two
            families, its outputs and its inputs.
        weight: It is a parameter or buffer, or made of such alone.
        origin: The layer that wrote it, when only a norm or activations followed; else ''.
        last: torch's name of the function that made it.
    """

    families: tuple[np.ndarray, ...] = ()
    weight: bool = False
    origin: str = ""
    last: str = ""


@dataclass(frozen=True)
class TensorIds:
    """The ids along one axis of a parameter or buffer.

    ``owner`` is its module, ``key`` its name there; '' for what a layer reads at the inputs of its
    conv_groups, or for a norm without parameters.
    """

    owner: str
    key: str
    axis: int
    ids: np.ndarray

    @property
    def path(self) -> str:
        return f"{self.owner}.{self.key}" if self.owner else self.key


@dataclass
class ChannelFlow:
    """What one forward pass shows.

    Attributes:
        tensors: The ids of every parameter and buffer that was used, in order of first use.
        ties: Pairs of ids that are one channel, or must be cut together, [pairs, 2] each.
        obstacles: Why some ids cannot be cut, in order of execution.
        operations: Operations that move or mix channels, with the ids that they met.
        sums: Ids that were added, and 'Mul' those that were multiplied, as activations.
        gates: Layers whose outputs, through a sigmoid, scale the channels of others.
    """

    tensors: list[TensorIds] = field(default_factory=list)
    ties: list[np.ndarray] = field(default_factory=list)
    obstacles: list[tuple[Cause, np.ndarray]] = field(default_factory=list)
    operations: list[tuple[ChannelOperation, np.ndarray]] = field(default_factory=list)
    sums: list[tuple[str, np.ndarray]] = field(default_factory=list)
    gates: set[str] = field(default_factory=set)
    count: int = 0

    def classes(self) -> np.ndarray:
        """The class of every id: ids of one class are cut together."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self.ties])
        shape = (max(1, self.count),) * 2
        graph = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=shape)
        return connected_components(graph, directed=False)[1]

    def first(self) -> Cause | None:
        """The first operation of the lowest rank, 0 or 1; None when there is none."""
        operations = [operation for operation, _ in self.operations if operation.rank < 2]
        return min(operations, key=lambda operation: operation.rank).cause if operations else None


def follow(module: nn.Module, image: Tensor) -> ChannelFlow:
    """The flow of channels in one forward pass of ``module`` on ``image``.

    Args:
        module: A copy; on the 'meta' device nothing is computed.
        image: What it is run on.
    """
    flow = ChannelFlow()
    tracer = _Tracer(module, flow)
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with dry_run(image.dtype, image.device), tracer:
            outputs = module(image)
    tracer.dispatch.finish(tensors_of(outputs))
    return flow


class _Tracer(TorchFunctionMode):
    """Knows at any time which module runs and which function it called."""

    def __init__(self, module: nn.Module, flow: ChannelFlow) -> None:
        super().__init__()
        self.flow, self.module = flow, module
        self.path: list[tuple[str, nn.Module]] = []
        self.function = ""
        self.dispatch = _Dispatch(self)
        self._hooks: list[Any] = []

    def __enter__(self) -> _Tracer:
        for name, layer in self.module.named_modules():
            self._hooks += [
                layer.register_forward_pre_hook(
                    lambda layer, _, name=name: self.path.append((name, layer))
                ),
                layer.register_forward_hook(lambda *_: self.path.pop() and None),
            ]
        self.dispatch.__enter__()
        return super().__enter__()

    def __exit__(self, *problem: Any) -> None:
        super().__exit__(*problem)
        self.dispatch.__exit__(*problem)
        for hook in self._hooks:
            hook.remove()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        before, self.function = self.function, getattr(func, "__name__", "").split(".")[0]
        try:
            result = func(*args, **kwargs)
        finally:
            name, self.function = self.function, before
        for out in tensors_of(result) if self.path else ():
            rank = operation_rank(name, args, kwargs, out, self.dispatch.is_constant)
            if rank is not None:
                operation = ChannelOperation(rank, operation_name(name), self.place)
                ids = [self.dispatch.ids_of(tensor) for tensor in tensors_of([out, *args])]
                self.flow.operations.append((operation, np.unique(np.concatenate(ids))))
                break
        return result

    @property
    def place(self) -> str:
        return self.path[-1][0] if self.path else ""


class _Dispatch(TorchDispatchMode):
    """Applies the rule of every operation that runs."""

    def __init__(self, tracer: _Tracer) -> None:
        super().__init__()
        self.tracer, self.flow = tracer, tracer.flow
        self._owners: dict[int, list[tuple[str, str, nn.Module]]] = {}
        for name, module in tracer.module.named_modules():
            named = itertools.chain(
                module.named_parameters(recurse=False), module.named_buffers(recurse=False)
            )
            for key, tensor in named:
                self._owners.setdefault(id(tensor), []).append((name, key, module))
        self._labels: dict[int, tuple[Tensor, Labels]] = {}  # tensors are held: ids stay their own
        self._obstacles: list[tuple[int, Cause, np.ndarray]] = []  # the operation that each met
        self._inputs: list[list[int]] = []  # of each operation: those that made what it takes
        self._makers: dict[int, int] = {}
        self._written: list[int] = []  # operations that wrote into a tensor that is there already
        self._norms: set[str] = set()
        self._grouped: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        ins, outs = tensors_of([*args, *kwargs.values()]), tensors_of(result)
        self._inputs.append([self._makers[id(t)] for t in ins if id(t) in self._makers])
        for tensor in outs:
            self._makers[id(tensor)] = len(self._inputs) - 1
            self._labels.setdefault(id(tensor), (tensor, Labels()))
        if func._schema.is_mutable:
            self._written.append(len(self._inputs) - 1)
        if not outs or not any(self.labels(tensor).families for tensor in ins):
            return result
        opaque = next((at for at in self.tracer.path if isinstance(at[1], OPAQUE)), None)
        if opaque is not None:
            cause = Cause("coupled_module", operation=type(opaque[1]).__name__, place=opaque[0])
            self._block_all(ins, cause)
            return result
        name = func._schema.name.split("::")[-1]
        rule = getattr(self, f"_rule_{name}", None)
        if rule is not None:
            rule(func, args, kwargs, outs)
        elif "batch_norm" in name:
            self._batch_norm(func, args, kwargs, outs)
        elif name in _MOVES:
            self._move(func, args, kwargs, outs)
        elif name in _FRESH:
            pass
        elif name in _REDUCTIONS or name in _ALONG:
            self._along(func, name, args, kwargs, outs)
        elif name in _SPATIAL:
            self._spatial(ins[0], outs, _SPATIAL[name])
        elif name in _MATRIX:
            self._product(name, args, outs[0])
        elif name in _POINTWISE or torch.Tag.pointwise in func.tags:
            self._pointwise(name, ins, outs)
        else:
            self._block_all(ins, self._cause(name))
        return result

    def finish(self, outputs: Sequence[Tensor]) -> None:
        """The obstacles on the way to ``outputs``; what a hook looks at on its own is none."""
        live, pending = set[int](), [self._makers[id(t)] for t in outputs if id(t) in self._makers]
        pending += self._written
        while pending:
            if (number := pending.pop()) not in live:
                live.add(number)
                pending += self._inputs[number]
        self.flow.obstacles += [(c, ids) for number, c, ids in self._obstacles if number in live]
        for tensor in outputs:
            for family in self.labels(tensor).families:
                ids = np.unique(family[family >= 0])
                self.flow.obstacles.append((Cause("network_output"), ids))

    # What is known of tensors.

    def labels(self, tensor: Tensor) -> Labels:
        """What is known of ``tensor``; parameters and buffers get their ids when first met."""
        known = self._labels.get(id(tensor))
        if known is not None and (known[1].families or id(tensor) not in self._owners):
            return known[1]
        if id(tensor) not in self._owners or not tensor.is_floating_point():
            return Labels()
        (owner, key, module), *others = self._owners[id(tensor)]
        is_kernel = isinstance(module, nn.modules.conv._ConvNd) and key == "weight"
        families = []
        for axis in range(min(2, tensor.ndim) if is_kernel else tensor.ndim):
            if tensor.shape[axis] > 1 or is_kernel:
                ids = self._new(owner, key, axis, tensor.shape[axis])
                self.flow.tensors += [TensorIds(o, k, axis, ids) for o, k, _ in others]
                shape = [1] * tensor.ndim
                shape[axis] = -1
                families.append(ids.reshape(shape))
        labels = Labels(tuple(families), weight=True)
        self._labels[id(tensor)] = (tensor, labels)
        return labels

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether ``tensor`` was made in the pass, of nothing that the network reads or learned."""
        return not self.labels(tensor).families

    def _new(self, owner: str, key: str, axis: int, size: int) -> np.ndarray:
        ids = np.arange(self.flow.count, self.flow.count + size)
        self.flow.count += size
        self.flow.tensors.append(TensorIds(owner, key, axis, ids))
        return ids

    def _set(self, tensor: Tensor, labels: Labels) -> None:
        if id(tensor) in self._owners:
            return  # a parameter or buffer written in place keeps its own ids
        families = tuple(f for f in labels.families if f.size and bool((f >= 0).any()))
        self._labels[id(tensor)] = (tensor, replace(labels, families=families))

    def ids_of(self, tensor: Tensor) -> np.ndarray:
        """All ids of an activation."""
        labels = self._labels.get(id(tensor), (tensor, Labels()))[1]
        if labels.weight or not labels.families:
            return np.zeros(0, np.int64)
        ids = np.unique(np.concatenate([family.ravel() for family in labels.families]))
        return ids[ids >= 0]

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Ids at the same place of two arrays go together; arrays are broadcast."""
        pairs = np.stack([a.ravel() for a in np.broadcast_arrays(first, second)], 1)
        pairs = pairs[(pairs >= 0).all(1) & (pairs[:, 0] != pairs[:, 1])]
        if len(pairs):
            self.flow.ties.append(np.unique(pairs, axis=0))

    def block(self, tensor: Tensor, cause: Cause) -> None:
        """Nothing that ``tensor`` carries can be cut."""
        self._block(self.labels(tensor).families, cause)

    def _block(self, families: Sequence[np.ndarray], cause: Cause) -> None:
        for family in families:
            ids = np.unique(family[family >= 0])
            self._obstacles.append((len(self._inputs) - 1, cause, ids))

    def _block_all(self, tensors: Sequence[Tensor], cause: Cause) -> None:
        for tensor in tensors:
            self.block(tensor, cause)

    def _cause(self, name: str) -> Cause:
        operation = operation_name(self.tracer.function or name)
        return Cause("rearranged", operation=operation, place=self.tracer.place)

    # The rules.

    def _pointwise(self, name: str, ins: Sequence[Tensor], outs: Sequence[Tensor]) -> None:
        if name == "copy_" and _is_part(ins[0]) and not self.labels(ins[0]).families:
            self.block(ins[1], self._cause(name))  # written into a part of a new tensor
            return
        known = [self.labels(tensor) for tensor in ins]
        out = outs[0]
        families: list[np.ndarray] = []
        for tensor, labels in zip(ins, known, strict=True):
            for family in labels.families:
                self._join(families, family.reshape((1,) * (out.ndim - tensor.ndim) + family.shape))
        acting = [labels for labels in known if labels.families and not labels.weight]
        kind = "Add" if name.startswith(("add", "sub", "rsub")) else ""
        kind = "Mul" if name.startswith(("mul", "div")) else kind
        if len(acting) > 1 and kind:
            ids = np.concatenate([family.ravel() for family in families])
            self.flow.sums.append((kind, np.unique(ids[ids >= 0])))
        origins = {labels.origin for labels in acting}
        if kind == "Mul" and len(origins) > 1:
            self.flow.gates |= {
                labels.origin
                for labels in acting
                if labels.origin and "sigmoid" in labels.last.lower()
            }
        origin = origins.pop() if len(acting) == 1 else ""
        weight = all(labels.weight for labels in known if labels.families)
        for tensor in outs:
            if tensor.shape == out.shape:
                self._set(tensor, Labels(tuple(families), weight, origin, self.tracer.function))

    def _join(self, families: list[np.ndarray], family: np.ndarray) -> None:
        """Add a family to those of a tensor: it is tied to the one that varies along its axes."""
        axes = _varying(family)
        for index, other in enumerate(families):
            shared = _varying(other)
            if not (axes & shared) and (axes or shared):
                continue
            self.tie(other, family)
            if not shared <= axes:
                families[index], family = family, other
            if (families[index] < 0).any() and families[index].shape == family.shape:
                families[index] = np.where(families[index] < 0, family, families[index])
            return
        families.append(family)

    def _move(self, func: Any, args: Any, kwargs: Any, outs: Sequence[Tensor]) -> None:
        tensor, name = args[0], func._schema.name.split("::")[-1]
        labels = self.labels(tensor)
        moved: list[list[np.ndarray]] = [[] for _ in outs]
        if name == "view" and not isinstance(args[1], list | tuple):  # as another type of number
            self.block(tensor, self._cause(name))
            return
        for family in labels.families:
            cause = self._rearranges(name, args, family, tensor.shape)
            if cause:
                self._block([family], cause)
                continue
            family = self._split_evenly(name, args, family, tensor, outs)
            # Places are moved, not ids: those of an axis may all be one, and it is still an axis.
            places = torch.arange(family.size).reshape(family.shape)
            whole = places.expand(tensor.shape)
            kwargs = {k: v for k, v in kwargs.items() if k in ("dim", "start", "end", "step")}
            if name in ("clone", "detach", "detach_", "alias", "contiguous", "lift_fresh"):
                results: list[Tensor] = [whole]
            elif name == "constant_pad_nd":
                axes = _varying(family)  # beside maps there is no other channel, however padded
                pads = [
                    size if tensor.ndim - 1 - index // 2 in axes else 0
                    for index, size in enumerate(args[1])
                ]
                results = [func(places, pads, -1)]
            elif name in ("view", "_unsafe_view", "_reshape_alias"):
                results = [whole.reshape(args[1])]
            else:
                results = tensors_of(func(whole, *args[1:], **kwargs))
            for families, result in zip(moved, results, strict=True):
                to = _compressed(result)
                ids = np.where(to < 0, -1, family.ravel()[to])
                self._join(families, self._settled(name, args, family, ids))
        for out, families in zip(outs, moved, strict=True):
            self._set(out, replace(labels, families=tuple(families)))

    def _rearranges(
        self, name: str, args: Any, family: np.ndarray, shape: Sequence[int]
    ) -> Cause | None:
        """Why channels do not keep their order or number; None when they do."""
        axes = _varying(family)
        axis = (args[1] if len(args) > 1 and isinstance(args[1], int) else 0) % max(1, len(shape))
        if name == "select" and axis in axes:
            return self._cause(name)
        if name == "slice" and axis in axes:
            start, end, step = _span(args, shape[axis])
            width = end - start
            if step != 1 or width < 1 or shape[axis] % width or start % width:
                return self._cause(name)
        if name in ("split", "split_with_sizes", "unbind", "chunk"):
            last = args[2] if len(args) > 2 else 0
            axis = (axis if name == "unbind" else last) % len(shape)
            sizes: Any = args[1] if len(args) > 1 else 1
            if isinstance(sizes, list | tuple):
                uneven = len(set(sizes)) > 1
            else:
                uneven = bool(shape[axis] % sizes)
            if axis in axes and (name == "unbind" or uneven):
                return self._cause(name)
        return None

    def _split_evenly(
        self, name: str, args: Any, family: np.ndarray, tensor: Tensor, outs: Sequence[Tensor]
    ) -> np.ndarray:
        """``family`` where equal parts are split off: the same place of every part goes together,
        so that the parts remain equal."""
        if name not in ("slice", "split", "split_with_sizes", "chunk", "channel_shuffle"):
            return family
        if name == "channel_shuffle":
            axis = 1
        elif name == "slice":
            axis = (args[1] if len(args) > 1 else 0) % tensor.ndim
        else:
            axis = (args[2] if len(args) > 2 else 0) % tensor.ndim
        width, size = outs[0].shape[axis], tensor.shape[axis]
        width = width // args[1] if name == "channel_shuffle" else width
        if axis not in _varying(family) or width == size:
            return family
        parts = np.split(family, size // width, axis)
        for other in parts[1:]:
            self.tie(parts[0], other)
        return np.concatenate([parts[0]] * len(parts), axis)

    def _settled(self, name: str, args: Any, before: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """``ids`` after an axis of channels was taken apart: one of the axes that it became can
        shrink, and along the others channels go together."""
        axes = sorted(_varying(ids))
        if len(axes) <= max(1, len(_varying(before))):
            return ids
        sizes = args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ()
        open_axes = [axis for axis in axes if axis < len(sizes) and sizes[axis] == -1]
        main = open_axes[0] if open_axes else max(axes, key=lambda axis: ids.shape[axis])
        main = axes[0] if name in ("pixel_shuffle",) else main
        for axis in axes:
            if axis != main:
                first = ids.take([0], axis)
                self.tie(first, ids)
                ids = first
        return ids

    def _along(self, func: Any, name: str, args: Any, kwargs: Any, outs: Sequence[Tensor]) -> None:
        tensor = args[0]
        labels = self.labels(tensor)
        names = [argument.name for argument in func._schema.arguments]
        values = {**dict(zip(names, args, strict=False)), **kwargs}
        dims = values.get("dim", values.get("dims"))
        listed = [dims] if isinstance(dims, int) else list(dims or range(tensor.ndim))
        along = {dim % tensor.ndim for dim in listed} if tensor.ndim else set()
        families = []
        for family in labels.families:
            if _varying(family) & along:
                if name != "sum":
                    self._block([family], self._cause(name))
                if outs[0].shape != tensor.shape:
                    continue
            if outs[0].ndim < tensor.ndim:
                family = np.squeeze(family, tuple(along))
            families.append(family)
        for out in outs:
            self._set(out, replace(labels, families=tuple(families), origin=""))

    def _spatial(self, tensor: Tensor, outs: Sequence[Tensor], axes: int) -> None:
        labels = self.labels(tensor)
        families = []
        for family in labels.families:
            if any(axis >= tensor.ndim - axes for axis in _varying(family)):
                self._block([family], self._cause(""))
            else:
                families.append(family)
        for out in outs:
            self._set(out, replace(labels, families=tuple(families), origin=""))

    def _product(self, name: str, args: Any, out: Tensor) -> None:
        """Matrix products with a weight; products of activations mix their channels."""
        has_bias = name.startswith(("add", "badd"))
        bias = args[0] if has_bias else None
        first, second = args[1:3] if has_bias else args[:2]
        left, right = self.labels(first), self.labels(second)
        if name not in ("mm", "addmm") or not (left.weight or right.weight):
            self._block_all([first, second], self._cause("matmul"))
            return
        origin = self._origin()
        families = self._contracted(left, 1, right, 0)
        if bias is not None:
            for family in self.labels(bias).families:
                shape = (1,) * (out.ndim - family.ndim) + family.shape
                self._join(families, family.reshape(shape))
        self._set(out, Labels(tuple(families), left.weight and right.weight, origin))

    def _contracted(
        self, left: Labels, left_axis: int, right: Labels, right_axis: int
    ) -> list[np.ndarray]:
        families: list[np.ndarray] = []
        read: list[list[np.ndarray]] = [[], []]
        for index, (labels, axis) in enumerate(((left, left_axis), (right, right_axis))):
            for family in labels.families:
                if axis not in _varying(family):
                    families.append(family)
                elif len(_varying(family)) > 1:
                    self._block([family], self._cause("matmul"))
                else:
                    read[index].append(family.ravel())
        for index in (0, 1):
            if read[index] and not read[1 - index]:
                self._block(read[index], self._cause("matmul"))
        for a, b in itertools.product(*read):
            self.tie(a, b)
        return families

    def _origin(self) -> str:
        name, layer = self.tracer.path[-1] if self.tracer.path else ("", None)
        return name if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear) else ""

    def _batch_norm(self, func: Any, args: Any, kwargs: Any, outs: Sequence[Tensor]) -> None:
        tensor = args[0]
        labels = self.labels(tensor)
        trains = next((value for value in args[3:7] if isinstance(value, bool)), False)
        families: list[np.ndarray] = []
        for family in labels.families:
            if _varying(family) - {1} and trains:
                self._block([family], self._cause("batch_norm"))
            else:
                self._join(families, family)
        shape = [1, -1] + [1] * (tensor.ndim - 2)
        for value in (*self._norm_ids(tensor.shape[1]), *args[1:5]):
            given = value.ravel() if isinstance(value, np.ndarray) else None
            if isinstance(value, Tensor):
                given = next((f.ravel() for f in self.labels(value).families), None)
            if given is not None and len(given) == tensor.shape[1]:
                self._join(families, given.reshape(shape))
        self._set(outs[0], replace(labels, families=tuple(families)))

    def _norm_ids(self, size: int) -> Iterator[np.ndarray]:
        """Ids of a norm that has no parameters: it knows its width all the same."""
        name, layer = self.tracer.path[-1] if self.tracer.path else ("", None)
        if not isinstance(layer, NORMS) or next(itertools.chain(
            layer.parameters(recurse=False), layer.buffers(recurse=False)
        ), None) is not None:  # fmt: skip
            return
        if size in (getattr(layer, "num_features", 0), getattr(layer, "num_channels", 0)):
            if name not in self._norms:
                self._norms.add(name)
                self._new(name, "", 0, size)
            yield next(t.ids for t in self.flow.tensors if (t.owner, t.key) == (name, ""))

    def _rule_native_group_norm(self, func: Any, args: Any, kwargs: Any, outs: Any) -> None:
        tensor, weight, bias = args[:3]
        channels, groups = tensor.shape[1], args[6]
        shape = [1, -1] + [1] * (tensor.ndim - 2)
        labels = self.labels(tensor)
        families: list[np.ndarray] = []
        for family in labels.families:
            if _varying(family) - {1}:
                self._block([family], self._joint("group_norm"))
                continue
            self._join(families, family)
        for family in families:
            whole = np.broadcast_to(family.reshape(-1), (channels,)).reshape(groups, -1)
            self.tie(whole[:, :1], whole)
            if groups == 1:
                self._block([family], self._joint("group_norm"))
        for value in (weight, bias):
            for family in self.labels(value).families if value is not None else ():
                self._join(families, family.reshape(shape))
        for ids in self._norm_ids(channels):
            self._join(families, ids.reshape(shape))
        self._set(outs[0], replace(labels, families=tuple(families)))

    def _rule_native_layer_norm(self, func: Any, args: Any, kwargs: Any, outs: Any) -> None:
        tensor = args[0]
        labels = self.labels(tensor)
        last = set(range(tensor.ndim - len(args[1]), tensor.ndim))
        families: list[np.ndarray] = []
        for family in labels.families:
            if _varying(family) & last:
                self._block([family], self._joint("layer_norm"))
            families.append(family)
        for value in args[2:4]:
            for family in self.labels(value).families if value is not None else ():
                shape = (1,) * (tensor.ndim - family.ndim) + family.shape
                self._join(families, family.reshape(shape))
        self._set(outs[0], replace(labels, families=tuple(families)))

    def _joint(self, function: str) -> Cause:
        name, layer = self.tracer.path[-1] if self.tracer.path else ("", None)
        kind = type(layer).__name__ if isinstance(layer, NORMS) else function
        return Cause("joint_norm", operation=kind, place=name)

    def _rule_glu(self, func: Any, args: Any, kwargs: Any, outs: Any) -> None:
        tensor = args[0]
        axis = (args[1] if len(args) > 1 else -1) % tensor.ndim
        families = []
        for family in self.labels(tensor).families:
            if axis in _varying(family):
                family, other = np.split(family, 2, axis)
                self.tie(family, other)
            families.append(family)
        self._set(outs[0], Labels(tuple(families)))

    def _rule_convolution(self, func: Any, args: Any, kwargs: Any, outs: Any) -> None:
        tensor, weight, bias = args[:3]
        transposed, groups = args[6], args[8]
        ins = self.labels(tensor)
        kernel = self.labels(weight)
        by_axis = {axis: f for f in kernel.families for axis in _varying(f) if axis < 2}
        for family, axis in zip(kernel.families, (0, 1), strict=False):
            if not _varying(family) and weight.shape[axis] == 1:
                by_axis.setdefault(axis, family)
        for axis in (0, 1):
            if weight.shape[axis] == 1:  # of a weight that is no convolution's: it has no ids there
                by_axis.setdefault(axis, np.full(1, -1))
        wide = any(len(_varying(family)) > 1 for family in kernel.families)
        if transposed and groups > 1:
            cause = Cause("transposed_conv_groups", place=self.tracer.place, conv_groups=groups)
            self._block([*ins.families, *kernel.families], cause)
        read: list[np.ndarray] = []
        for family in ins.families:
            if _varying(family) - {1}:
                self._block([family], self._cause("convolution"))
            else:
                read.append(np.broadcast_to(family.ravel(), (tensor.shape[1],)))
        out_axis, in_axis = (1, 0) if transposed else (0, 1)
        if wide or not {0, 1} <= set(by_axis):
            self._block([*read, *kernel.families], self._cause("convolution"))
        made: list[np.ndarray] = []
        if out_axis in by_axis:
            ids = by_axis[out_axis].ravel()
            made.append(np.tile(ids, groups) if transposed else ids)
        if in_axis in by_axis:
            ids = by_axis[in_axis].ravel()
            self._read(read, ids, groups if not transposed else 1, made, tensor.shape[1])
        if not transposed and groups > 1 and made:
            table = made[0].reshape(groups, -1)
            if weight.shape[1] > 1:
                self.tie(table[:1], table)
        shape = [1, -1] + [1] * (outs[0].ndim - 2)
        families: list[np.ndarray] = []
        for ids in made:
            self._join(families, ids.reshape(shape))
        if bias is not None:
            for family in self.labels(bias).families:
                self._join(families, family.reshape(shape))
        self._set(outs[0], Labels(tuple(families), False, self._origin()))

    def _read(
        self,
        read: Sequence[np.ndarray],
        ids: np.ndarray,
        groups: int,
        made: Sequence[np.ndarray],
        channels: int,
    ) -> None:
        """Tie what a convolution reads to the inputs of its weight, or, where each input has its
        own filters (depthwise), to these."""
        if groups > 1 and len(ids) == 1:
            for family in read:
                for outs in made:
                    self.tie(family[:, None], outs.reshape(channels, -1))
            return
        name, layer = self.tracer.path[-1] if self.tracer.path else ("", None)
        is_new = isinstance(layer, nn.modules.conv._ConvNd) and name not in self._grouped
        if groups > 1 and is_new:
            self._grouped.add(name)
            self.flow.tensors.append(TensorIds(name, "", 1, np.tile(ids, groups)))
        for family in read:
            self.tie(family, np.tile(ids, groups))

    def _rule_cat(self, func: Any, args: Any, kwargs: Any, outs: Any) -> None:
        tensors = args[0]
        axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % outs[0].ndim
        tensors = [tensor for tensor in tensors if tensor.ndim == outs[0].ndim]
        families: list[np.ndarray] = []
        parts: list[np.ndarray] = []
        for tensor in tensors:
            varying = [f for f in self.labels(tensor).families if axis in _varying(f)]
            if tensor.shape[axis] == 1:
                known = [f for f in self.labels(tensor).families if not _varying(f)]
                varying = known[:1]
            size = [tensor.shape[a] if varying and a in _varying(varying[0]) else 1
                    for a in range(tensor.ndim)]  # fmt: skip
            size[axis] = tensor.shape[axis]
            ids = varying[0] if varying else np.full(size, -1)
            parts.append(np.broadcast_to(ids, size))
            for family in self.labels(tensor).families:
                if axis not in _varying(family) and not any(family is f for f in varying):
                    self._join(families, family)
        if any((part >= 0).any() for part in parts):
            shape = np.max([part.shape for part in parts], 0)
            parts = [
                np.broadcast_to(p, [p.shape[axis] if a == axis else n for a, n in enumerate(shape)])
                for p in parts
            ]
            self._join(families, np.concatenate(parts, axis))
        weight = all(self.labels(tensor).weight for tensor in tensors)
        self._set(outs[0], Labels(tuple(families), weight))

    def _rule_stack(self, func: Any, args: Any, kwargs: Any, outs: Any) -> None:
        axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % outs[0].ndim
        families: list[np.ndarray] = []
        for tensor in args[0]:
            for family in self.labels(tensor).families:
                self._join(families, np.expand_dims(family, axis))
        self._set(outs[0], Labels(tuple(families)))


def _varying(family: np.ndarray) -> set[int]:
    return {axis for axis, size in enumerate(family.shape) if size > 1}


def _span(args: Any, size: int) -> tuple[int, int, int]:
    start = args[2] if len(args) > 2 and args[2] is not None else 0
    end = args[3] if len(args) > 3 and args[3] is not None else size
    step = args[4] if len(args) > 4 else 1
    return *slice(start, end).indices(size)[:2], step


def _compressed(places: Tensor) -> np.ndarray:
    """``places`` with size 1 along the axes that they do not vary along."""
    for axis in sorted(range(places.ndim), key=lambda axis: places.stride(axis) != 0):
        if places.shape[axis] > 1:
            first = places.narrow(axis, 0, 1)
            if places.stride(axis) == 0 or bool((places == first).all()):
                places = first
    return places.contiguous().numpy()


def _is_part(tensor: Tensor) -> bool:
    """Whether ``tensor`` is a view of a larger one."""
    return tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()
