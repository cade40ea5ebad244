"""Where a forward pass moves or mixes channels, so that a refusal can name operation and place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sfp_viz.core.network import Cause
from sfp_viz.nets.forward import tensors_of

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
class ChannelOperation:
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


def operation_name(function: str) -> str:
    """One name for all forms of a torch function."""
    return _NAMES.get(function, function.strip("_"))


def operation_rank(
    name: str,
    args: Any,
    kwargs: Mapping[str, Any],
    out: Tensor,
    is_constant: Callable[[Tensor], bool],
) -> int | None:
    """The rank of one operation on channels (dimension 1 of maps); None when it leaves them.

    Args:
        name: The operation's name.
        args: Its positional arguments.
        kwargs: Its named arguments.
        out: What it returned.
        is_constant: Whether a tensor does not depend on the images.
    """
    if name in _MATRIX:
        return 0
    operand = next(iter(tensors_of(list(args))), None)
    if operand is None or operand.ndim < (2 if name in _JOINING else 4):
        return None
    if name in _TOGETHER:
        return 2
    if _along_channels(name, args, kwargs, operand):
        return 1
    if name in _ARITHMETIC:
        given = [value for value in args if isinstance(value, Tensor) and value.ndim > 2]
        met = any(value.shape[-3] == out.shape[1] > 1 and is_constant(value) for value in given)
        return 1 if met else None
    if name in _JOINING:
        return 3
    if name in _LEARNED or out.ndim < 2 or out.shape[1] == operand.shape[1]:
        return None
    if out.ndim == 2 and out.shape[1] == operand[0].numel():  # flattened
        return None
    return 2 if name in ("permute", "transpose") and operand.ndim == 4 else 1


def _along_channels(name: str, args: Any, kwargs: Mapping[str, Any], operand: Tensor) -> bool:
    if name == "__getitem__":
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return len(index) > 1 and isinstance(index[1], list | Tensor)
    if name not in _DIM:
        return False
    index = _DIM[name]
    dims = kwargs.get("dim", kwargs.get("dims", args[index] if len(args) > index else None))
    listed = [dims] if isinstance(dims, int) else list(dims or ())
    return any(dim % operand.ndim == 1 for dim in listed)
