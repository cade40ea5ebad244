"""Where a forward pass moves or mixes channels, so that a refusal can name operation and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sfp_viz.core.network import Cause
from sfp_viz.nets.tracing.execution import tensors_of

_NAMES = {  # one name for the forms of an operation
    "__getitem__": "slice",
    "_pad": "pad",
    "bmm": "matmul",
    "__matmul__": "matmul",
    "concat": "cat",
    "concatenate": "cat",
    "multi_head_attention_forward": "attention",
    "scaled_dot_product_attention": "attention",
}
_MATRIX = {
    "bmm", "baddbmm", "matmul", "__matmul__", "einsum", "cdist", "multi_head_attention_forward",
    "scaled_dot_product_attention",
}  # fmt: skip
_TOGETHER = {"local_response_norm", "group_norm", "layer_norm"}
_DIM = {  # which argument names the dimension along which values are moved or mixed
    "flip": 1, "roll": 2, "softmax": 1, "log_softmax": 1, "cumsum": 1, "sort": 1,
    "normalize": 2, "index_select": 1,
}  # fmt: skip
_LEARNED = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "linear"}  # these are followed
_JOINING = {"cat", "concat", "concatenate", "stack"}  # mostly followed, so named last
_ARITHMETIC = {"add", "sub", "mul", "div", "__add__", "__sub__", "__mul__", "__truediv__"}


@dataclass(frozen=True)
class Move:
    """An operation that moves or mixes channels: its ``operation`` and ``place``, and how surely
    it does. ``rank`` 0: channels are mixed in products; 1: they are split or moved; 2: they are
    normalized together, or dimensions only change places; 3: maps are joined."""

    rank: int
    operation: str
    place: str

    @property
    def cause(self) -> Cause:
        """Why channels that meet it cannot be cut."""
        return Cause("rearranged", operation=self.operation, place=self.place)


class Places(TorchFunctionMode):
    """While it is entered, notes every operation of ``module`` that moves or mixes channels.

    ``moves`` maps the autograd node of its result to the operation, in order of execution.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.moves: dict[Any, Move] = {}
        self._path: list[str] = []
        self._hooks: list[Any] = []
        self._module = module

    def __enter__(self) -> Places:
        for name, part in self._module.named_modules():
            self._hooks += [
                part.register_forward_pre_hook(lambda *_, name=name: self._path.append(name)),
                part.register_forward_hook(self._leave),
            ]
        return super().__enter__()

    def _leave(self, *_: Any) -> None:
        self._path.pop()

    def __exit__(self, *problem: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*problem)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        for out in tensors_of(result) if self._path else ():
            rank = _rank(name, args, kwargs, out)
            if rank is not None and out.grad_fn is not None:
                move = Move(rank, _NAMES.get(name, name.strip("_")), self._path[-1])
                self.moves.setdefault(out.grad_fn, move)
        return result

    def first(self) -> Cause | None:
        """The first operation of the lowest rank, 0 or 1; None when there is none."""
        moves = [move for move in self.moves.values() if move.rank < 2]
        return min(moves, key=lambda move: move.rank).cause if moves else None


def _rank(name: str, args: Any, kwargs: Mapping[str, Any], out: Tensor) -> int | None:
    """The rank of one operation on channels (dimension 1 of maps); None when it leaves them."""
    if name in _MATRIX:
        return 0
    first = next(iter(tensors_of(list(args))), None)
    if first is None or first.ndim < (2 if name in _JOINING else 4):
        return None
    if name in _TOGETHER:
        return 2
    if _along_channels(name, args, kwargs, first):
        return 1
    if name in _ARITHMETIC:
        return 1 if any(_is_constant(part, out) for part in args) else None
    if name in _JOINING:
        return 3
    if name in _LEARNED or out.ndim < 2 or out.shape[1] == first.shape[1]:
        return None
    if out.ndim == 2 and out.shape[1] == first[0].numel():  # flattened
        return None
    return 2 if name in ("permute", "transpose") and first.ndim == 4 else 1


def _along_channels(name: str, args: Any, kwargs: Mapping[str, Any], first: Tensor) -> bool:
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return len(index) > 1 and isinstance(index[1], list | Tensor)
    if name not in _DIM:
        return False
    place = _DIM[name]
    dims = kwargs.get("dim", kwargs.get("dims", args[place] if len(args) > place else None))
    whole = [dims] if isinstance(dims, int) else list(dims or ())
    return any(dim % first.ndim == 1 for dim in whole)


def _is_constant(part: Any, out: Tensor) -> bool:
    """A tensor with a value for each channel that nothing learns: a buffer, or one made anew."""
    if not isinstance(part, torch.Tensor) or part.requires_grad or part.ndim < 3:
        return False
    return part.shape[-3] == out.shape[1] > 1
